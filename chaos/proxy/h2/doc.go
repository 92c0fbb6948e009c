// Package h2 relays HTTP/2, and gRPC with it, between a client and an upstream, and does
// to single streams what its Hooks say.
//
// It relays frames and does not terminate: there is one upstream connection for each
// client connection, and SETTINGS, PING, WINDOW_UPDATE and the header blocks of streams
// that nothing happens to go end to end as they came, one write for each read. What
// happens to a frame, in files that read in this order:
//
//	relay.go    Config, Relay, Run and its end
//	hooks.go    what the owner decides: Hooks, Plan and its parts
//	way.go      one direction: reading, frame by frame
//	frame.go    frames, and what makes one malformed
//	settings.go, calm.go   what is noted of SETTINGS; floods
//	block.go    header blocks: put together, decoded, written
//	stream.go   the table of streams; ids
//	request.go, response.go   header blocks, each way
//	collect.go  requests whose plan is made when they have come whole
//	data.go, control.go       the other frames of a stream
//	edit.go, cut.go, answer.go   changing, ending and answering a message
//	queue.go    frames that are held
//	release.go  the goroutine that lets them go
//	window.go   flow control
//	sink.go     what is to be written to one side
//
// Three things keep both ends' state right while frames are held back, taken out or
// put in.
//
// Header compression. Both ways are decoded from the first byte, so that the tables are
// known when something first happens. Fields that are put in are literals that leave the
// receiver's table as it is. As soon as a block is held back, taken out or changed, that
// way goes over to encoding every block anew, with a table that begins empty, and each
// block is encoded when it is written.
//
// Flow control. Windows are the ends' own. What is taken out is given back to its sender.
// What is held gives its sender the connection's window back, so that no other stream
// waits for it. When that is written, or something is put in, the receiver is sent what
// its sender was not charged for: a debt, which the receiver's next grants pay before
// they are passed on.
//
// Stream ids. They are the same on both sides until a request that was held is sent after
// a later one; from then on ids are translated.
//
// Nothing here knows faults, and nothing outside the standard library, hpack and
// internal/alarm may be imported.
package h2
