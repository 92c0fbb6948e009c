package h2

import (
	"encoding/binary"
	"fmt"
)

// headLen is the length of a frame's head.
const headLen = 9

// Types of frames (RFC 9113, 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameRSTStream    = 0x3
	frameSettings     = 0x4
	framePushPromise  = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
	// framePriorityUpdate names a stream in its payload (RFC 9218, 7.1).
	framePriorityUpdate = 0x10
)

// Flags of frames.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Code is an error code of HTTP/2 (RFC 9113, 7).
type Code uint32

// The error codes.
const (
	NoError            Code = 0x0
	ProtocolError      Code = 0x1
	InternalError      Code = 0x2
	FlowControlError   Code = 0x3
	StreamClosed       Code = 0x5
	FrameSizeError     Code = 0x6
	RefusedStream      Code = 0x7
	Cancel             Code = 0x8
	CompressionError   Code = 0x9
	EnhanceYourCalm    Code = 0xb
	InadequateSecurity Code = 0xc
)

// head is the head of a frame.
type head struct {
	length int
	kind   uint8
	flags  uint8
	stream uint32
}

// parseHead reads the head that b begins with; b has headLen bytes or more.
func parseHead(b []byte) head {
	_ = b[headLen-1]
	return head{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   b[3],
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & maxID,
	}
}

// maxID is the greatest stream id, and the greatest window.
const maxID = 1<<31 - 1

// appendHead appends a frame's head.
func appendHead(b []byte, length int, kind, flags uint8, stream uint32) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendReset(b []byte, stream uint32, code Code) []byte {
	return binary.BigEndian.AppendUint32(appendHead(b, 4, frameRSTStream, 0, stream), uint32(code))
}

func appendWindowUpdate(b []byte, stream uint32, n int64) []byte {
	return binary.BigEndian.AppendUint32(appendHead(b, 4, frameWindowUpdate, 0, stream), uint32(n))
}

func appendGoAway(b []byte, last uint32, code Code, debug string) []byte {
	b = appendHead(b, 8+len(debug), frameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, last)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	return append(b, debug...)
}

// setStream changes the stream of the frame that f begins with.
func setStream(f []byte, id uint32) { binary.BigEndian.PutUint32(f[5:], id) }

// violation is why a connection is ended: what one side sent.
type violation struct {
	code Code
	what string
	from direction // the way that its sender's frames go
}

func (v *violation) Error() string {
	who := "the client"
	if v.from == toClient {
		who = "the upstream"
	}
	return fmt.Sprintf("%s broke HTTP/2 (code %d): %s", who, v.code, v.what)
}

// check looks whether a frame with this head is well formed, whatever came before.
// Frames that are not go no further: the other side is not bothered with them.
func (h head) check(maxFrame int) (Code, string) {
	wrong := func(want int) (Code, string) {
		return FrameSizeError, fmt.Sprintf("a frame of type %d with %d bytes, expected %d", h.kind, h.length, want)
	}
	if h.length > maxFrame {
		return FrameSizeError, fmt.Sprintf("a frame of %d bytes, expected at most %d", h.length, maxFrame)
	}
	onStream := false
	switch h.kind {
	case frameData, frameHeaders, frameContinuation, framePushPromise:
		onStream = true
	case framePriority:
		onStream = true
		if h.length != 5 {
			return wrong(5)
		}
	case frameRSTStream:
		onStream = true
		if h.length != 4 {
			return wrong(4)
		}
	case frameSettings:
		if h.length%6 != 0 || h.flags&flagAck != 0 && h.length != 0 {
			return FrameSizeError, fmt.Sprintf("SETTINGS with %d bytes, flags %#x", h.length, h.flags)
		}
	case framePing:
		if h.length != 8 {
			return wrong(8)
		}
	case frameGoAway:
		if h.length < 8 {
			return wrong(8)
		}
	case frameWindowUpdate:
		if h.length != 4 {
			return wrong(4)
		}
		return NoError, ""
	default:
		return NoError, ""
	}
	if onStream != (h.stream != 0) {
		return ProtocolError, fmt.Sprintf("a frame of type %d on stream %d", h.kind, h.stream)
	}
	return NoError, ""
}

// unpad returns where in the payload p the content is: without padding and, in
// HEADERS, without priority. It returns false if they are longer than the payload.
func (h head) unpad(p []byte) ([]byte, bool) {
	pad := 0
	if h.flags&flagPadded != 0 {
		if len(p) < 1 {
			return nil, false
		}
		pad, p = int(p[0]), p[1:]
	}
	if h.kind == frameHeaders && h.flags&flagPriority != 0 {
		if len(p) < 5 {
			return nil, false
		}
		p = p[5:]
	}
	if pad > len(p) {
		return nil, false
	}
	return p[:len(p)-pad], true
}
