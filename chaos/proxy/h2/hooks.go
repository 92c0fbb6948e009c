package h2

import (
	"time"

	"golang.org/x/net/http2/hpack"
)

// Field is a header field. Names are in lower case; pseudo-header fields come first.
type Field = hpack.HeaderField

// Hooks decide what happens to streams. Their methods are called with the relay's lock
// held, by one goroutine at a time: they must return soon and must not call the Relay.
type Hooks interface {
	// Request is called when a stream's request header has come, and fills in plan,
	// which is zero: a plan that stays zero relays the stream untouched.
	Request(req *Request, plan *Plan)
	// Changed is called for each open stream after Kick, with the plan's State, and says
	// what is to happen to it from now on besides.
	Changed(state any) Change
	// Done is called once for each stream that Request was called for, when it ends.
	Done(state any, out Outcome)
}

// Change is what else happens to a stream that is open. The zero value is nothing.
type Change struct {
	// Hold holds both ways back.
	Hold Hold
	// Reset takes the place of the plan's, if that has one.
	Reset *Reset
	// Flow slows the rest of the messages down, in place of the plan's.
	Flow [2]Flow
	// Edit changes the bytes of the rest of the bodies, in place of what the plan's does.
	Edit [2]func(piece []byte)
	// Cut ends the stream after so many bytes more, unless the plan's does before.
	Cut [2]*Cut
}

// Request is a stream's request. It is valid during the call only, except its strings.
type Request struct {
	Method, Scheme, Authority, Path string
	// Fields are all header fields, the pseudo-header fields included.
	Fields []Field
	// GRPC: its content type is application/grpc or one that begins so.
	GRPC bool
	// End: nothing follows the header.
	End bool
}

// Plan is what happens to one stream.
type Plan struct {
	// Collect, unless it is nil, has the rest of the plan made when the body has come.
	Collect *Collect
	// Hold delays the message on each way: its header block waits, and what follows
	// waits behind it. No other stream waits.
	Hold [2]Hold
	// Late, if it is set along with Hold[ToUpstream], is called when that is over; an
	// answer that it returns is given instead of the upstream's.
	Late func() *Answer
	// Answer is given instead of the upstream's, after both delays; the upstream does
	// not see the request.
	Answer *Answer
	// Reset ends the stream for both sides.
	Reset *Reset
	// Edit changes the message on each way.
	Edit [2]*Edit
	// Cut ends the stream in the middle of the message on each way.
	Cut [2]*Cut
	// Flow slows the message on each way down.
	Flow [2]Flow
	// State is handed to Done.
	State any
}

// Collect has a request's body come first. Neither the upstream nor anything that changes
// meanwhile knows of the stream before.
type Collect struct {
	// Limit bounds the body in bytes.
	Limit int
	// Plan is called once, unless the client resets the stream before, as Request is: it
	// fills in what is left of plan. whole: all of the body is there; of one that is too
	// long, or too much with others, it is not.
	Plan func(body []byte, whole bool, plan *Plan)
}

// The ways, as indexes into a Plan.
const (
	ToUpstream = int(toUpstream)
	ToClient   = int(toClient)
)

// Hold is a delay.
type Hold interface {
	// Due returns when it is over if it began at start. The answer may change at any
	// time; Kick makes the relay ask again.
	Due(start time.Time) time.Time
	// Served is called when the delay is over, late after it was due. It is not called
	// when the stream ends before.
	Served(late time.Duration)
}

// Answer is a response that the relay gives, or a reset in place of one.
type Answer struct {
	// Fields is the header block, from ":status" on; without any the stream is reset.
	Fields []Field
	// Body may be empty.
	Body []byte
	// Code is that of the reset.
	Code Code
}

// Reset ends a stream with RST_STREAM: with Code to the client, with CANCEL to the
// upstream.
type Reset struct {
	Code Code
	// After is nil for at once: then the upstream never sees the request.
	After Hold
}

// Edit changes one message. All its functions may be nil.
type Edit struct {
	// Head returns the header fields to send in place of fields, which it may change.
	Head func(fields []Field) []Field
	// Length is told the body's length before it comes, -1 if it is not announced.
	Length func(n int64)
	// Data changes a piece of the body in place.
	Data func(b []byte)
	// Whole is called in place of Head with the whole message, and returns what to send
	// instead. A message whose body is longer than Limit is left to Head.
	Whole func(fields []Field, body []byte) ([]Field, []byte)
	Limit int
	// Wants, if it is set, says from the header whether Whole is to be called.
	Wants func(fields []Field) bool
	// Replaces, if it is set, says of a message for which Whole is to be called whether it
	// makes another body, whatever the old one is: that is then not kept, and of any length.
	Replaces func(fields []Field) bool
}

// Flow slows a message down.
type Flow interface {
	// Block returns what holds a header block of the message back, nil for nothing: that
	// begins when all that is before has gone.
	Block() Hold
	// Piece returns how many of the next n bytes of the body go in one frame, at least 1,
	// and what holds that back, nil for nothing: hold begins when it is called, pause when
	// all that is before has gone. behind: they came together with a header block that
	// Block was asked about.
	Piece(n int, behind bool) (size int, hold, pause Hold)
}

// Cut ends a stream after a part of a message has gone through. The first of the limits
// that is given counts.
type Cut struct {
	// Messages, if not nil, is how many gRPC messages go through.
	Messages *int
	// Keep, if not nil, returns how much goes through of a body with total bytes; above
	// total it is not cut. A body
	// without a content-length is collected first, and of a long one total is what was.
	Keep func(total int64) int64
	// Bytes is how much of the body goes through.
	Bytes int64

	// On, if not nil, is asked when it comes to the cut; false lets the rest through.
	On func() bool
	// Dropped, if not nil, is told how much of what had come does not go through.
	Dropped func(n int)

	// How it then ends for the client; the upstream gets RST_STREAM in any case.
	How How
	// Status is for EndStatus, Code for EndReset.
	Status Status
	Code   Code
}

// How says how a stream that is cut ends for the client.
type How uint8

const (
	// EndReset ends it with RST_STREAM.
	EndReset How = iota
	// EndStatus ends it with a gRPC status, in trailers if the response has begun.
	EndStatus
	// EndQuietly ends it as if the message ended there. If that was the request, only
	// the request ends.
	EndQuietly
)

// Outcome is how a stream ended.
type Outcome struct {
	// Status is that of the response, 0 if there was none.
	Status int
	// GRPC is the gRPC status, -1 if there was none.
	GRPC int
	// Reset: it ended with RST_STREAM or with its connection, by Code.
	Reset bool
	Code  Code
	// Left: the client gave it up, or left.
	Left bool
	// Injected: the relay, not the upstream, gave the response or its end.
	Injected bool
}
