// Package ws reads and writes the frames of WebSocket (RFC 6455) and what its handshake
// says about compression (RFC 7692), as a relay in the middle needs them.
//
//	frame.go     the head of a frame; masking
//	scan.go      where frames and messages begin and end in the bytes of one way
//	close.go     close frames
//	extension.go permessage-deflate: what is offered, what is agreed, messages inflated
//
// All of it is functions of bytes: no connection, no clock, no fault lives here, and
// only the standard library may be imported. Bytes come from the network and are
// hostile: nothing here keeps more of them than a head, or than its caller allows.
package ws
