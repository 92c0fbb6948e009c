package h2

import (
	"net"
	"slices"
	"testing"
)

// A request whose answer comes before its body: the client is told to stop where it could
// not send the whole without being granted more, and not where it can, since some clients
// then lose the answer. What still comes is thrown away, and the connection goes on.
func TestAnswerBeforeTheBody(t *testing.T) {
	for _, test := range []struct {
		length string
		stops  bool
	}{{"5", false}, {"65535", false}, {"65536", true}, {"", true}} {
		t.Run(test.length, func(t *testing.T) {
			addr, accept := listenRaw(t)
			relays := relayTo(t, addr, planner{request: func(_ *Request, plan *Plan) {
				plan.Answer = &Answer{Fields: fields(503), Body: []byte("no")}
			}})
			client, err := net.Dial("tcp", relays.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			up := accept()
			post := []Field{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}}
			if test.length != "" {
				post = append(post, Field{Name: "content-length", Value: test.length})
			}
			writeRaw(t, client, []byte(Preface+noSettings), frame(frameHeaders, flagEndHeaders, 1, headerBlock(post...)))
			writeRaw(t, up, []byte(noSettings))
			readTo(t, client, frameData)
			writeRaw(t, up, frame(framePing, 0, 0, make([]byte, 8))) // comes behind all of the answer
			if stopped := slices.Contains(readTo(t, client, framePing), frameRSTStream); stopped != test.stops {
				t.Errorf("told to stop: %v, want %v", stopped, test.stops)
			}
			writeRaw(t, client, frame(frameData, flagEndStream, 1, []byte("hello")), frame(frameHeaders, flagEndHeaders|flagEndStream, 3, headerBlock(post[:3]...)))
			readTo(t, client, frameData)
		})
	}
}
