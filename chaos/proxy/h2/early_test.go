package h2

import (
	"net"
	"slices"
	"testing"
)

// A request whose answer comes before its body: the client may send a good deal of it, which
// is thrown away, and is told to stop behind that, since some clients lose an answer that a
// reset comes along with. The connection goes on.
func TestAnswerBeforeTheBody(t *testing.T) {
	for name, test := range map[string]struct {
		sends int  // frames of 16 KiB
		ends  int8 // how the request ends: not at all, with DATA, with trailers, with a reset
		stops bool
	}{
		"nothing":        {0, ' ', false},
		"a window":       {3, ' ', false},
		"less":           {15, ' ', false},
		"much":           {16, ' ', true},
		"more":           {20, ' ', true},
		"whole":          {15, 'd', false},
		"whole and much": {16, 'd', true},
		"trailers":       {15, 't', false},
		"given up":       {15, 'r', false},
	} {
		t.Run(name, func(t *testing.T) {
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
			writeRaw(t, client, []byte(Preface+noSettings), frame(frameHeaders, flagEndHeaders, 1, headerBlock(post...)))
			writeRaw(t, up, []byte(noSettings))
			if seen := readTo(t, client, frameData); slices.Contains(seen, frameRSTStream) {
				t.Errorf("told to stop along with the answer: %v", seen)
			}
			for range test.sends {
				writeRaw(t, client, frame(frameData, 0, 1, make([]byte, 16<<10)))
			}
			switch test.ends {
			case 'd':
				writeRaw(t, client, frame(frameData, flagEndStream, 1, []byte("hello")))
			case 't':
				writeRaw(t, client, frame(frameHeaders, flagEndHeaders|flagEndStream, 1, headerBlock(Field{Name: "x", Value: "y"})))
			case 'r':
				writeRaw(t, client, frame(frameRSTStream, 0, 1, make([]byte, 4)))
			}
			writeRaw(t, client, frame(framePing, 0, 0, make([]byte, 8)))
			seen := readTo(t, client, framePing)
			if stopped := slices.Contains(seen, frameRSTStream); stopped != test.stops {
				t.Errorf("told to stop: %v, want %v", stopped, test.stops)
			}
			r := relays.relays()[0]
			r.mu.Lock()
			n := len(r.drains)
			r.mu.Unlock()
			if n > 0 && (test.stops || test.ends != ' ') {
				t.Errorf("%d requests are still waited for", n)
			}
			writeRaw(t, client, frame(frameHeaders, flagEndHeaders|flagEndStream, 3, headerBlock(post...)))
			readTo(t, client, frameData)
		})
	}
}
