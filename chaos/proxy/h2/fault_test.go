package h2

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starquake/chaos/proxy/h2/h2test"
)

// marked returns what a request's header "mark" says; calls that carry none are not
// touched by the tests' hooks.
func marked(req *Request) string {
	for _, f := range req.Fields {
		if f.Name == "mark" {
			return f.Value
		}
	}
	return ""
}

func mark(ctx context.Context, what string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "mark", what)
}

// outcomes collects what Done is told.
type outcomes struct {
	mu  sync.Mutex
	all map[string]Outcome
}

func (o *outcomes) done(state any, out Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[string]Outcome)
	}
	if s, ok := state.(string); ok {
		o.all[s] = out
	}
}

func (o *outcomes) of(t *testing.T, state string) (out Outcome) {
	t.Helper()
	until(t, "the outcome of "+state, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		var ok bool
		out, ok = o.all[state]
		return ok
	})
	return out
}

func number(n int) *int { return &n }

// What the client sees of each thing that can happen to a call, with the connection as
// it came, and again after other calls were taken out of it. Calls that nothing happens
// to go on meanwhile.
func TestCallFaults(t *testing.T) {
	for _, test := range []struct {
		name string
		plan Plan
		want codes.Code
		text string // in the message
		out  Outcome
	}{
		{"answer", Plan{Answer: Status{14, "ä 100%"}.Answer()}, codes.Unavailable, "ä 100%",
			Outcome{Status: 200, GRPC: 14, Injected: true}},
		{"answerLate", Plan{Answer: Status{8, ""}.Answer(), Hold: [2]Hold{newAfter(time.Millisecond), newAfter(time.Millisecond)}},
			codes.ResourceExhausted, "", Outcome{Status: 200, GRPC: 8, Injected: true}},
		{"reset", Plan{Reset: &Reset{Code: InternalError}}, codes.Internal, "",
			Outcome{GRPC: -1, Reset: true, Code: InternalError, Injected: true}},
		{"resetLater", Plan{Reset: &Reset{Code: EnhanceYourCalm, After: newAfter(5 * time.Millisecond)}, Hold: [2]Hold{newAfter(time.Hour), nil}},
			codes.ResourceExhausted, "", Outcome{GRPC: -1, Reset: true, Code: EnhanceYourCalm, Injected: true}},
		{"resetLaterResponse", Plan{Reset: &Reset{Code: Cancel, After: newAfter(5 * time.Millisecond)}, Hold: [2]Hold{nil, newAfter(time.Hour)}},
			codes.Canceled, "", Outcome{Status: 200, GRPC: 0, Reset: true, Code: Cancel, Injected: true}},
		{"hold", Plan{Hold: [2]Hold{newAfter(3 * time.Millisecond), newAfter(3 * time.Millisecond)}}, codes.OK, "",
			Outcome{Status: 200, GRPC: 0}},
		{"cutRequest0", Plan{Cut: [2]*Cut{{Messages: number(0), How: EndStatus, Status: Status{15, "lost"}}, nil}},
			codes.DataLoss, "lost", Outcome{Status: 200, GRPC: 15, Injected: true}},
		{"cutRequest1", Plan{Cut: [2]*Cut{{Messages: number(1), How: EndStatus, Status: Status{14, "cut"}}, nil}},
			codes.Unavailable, "cut", Outcome{Status: 200, GRPC: 14, Injected: true}},
		{"cutResponse0", Plan{Cut: [2]*Cut{nil, {Messages: number(0), How: EndStatus, Status: Status{14, "cut"}}}},
			codes.Unavailable, "cut", Outcome{Status: 200, GRPC: 14, Injected: true}},
		{"cutResponse0Late", Plan{Cut: [2]*Cut{nil, {Messages: number(0), How: EndStatus, Status: Status{14, "cut"}}}, Hold: [2]Hold{nil, newAfter(time.Millisecond)}},
			codes.Unavailable, "cut", Outcome{Status: 200, GRPC: 14, Injected: true}},
		{"cutResponse1", Plan{Cut: [2]*Cut{nil, {Messages: number(1), How: EndStatus, Status: Status{14, "cut"}}}},
			codes.Unavailable, "cut", Outcome{Status: 200, GRPC: 14, Injected: true}},
		{"cutReset", Plan{Cut: [2]*Cut{nil, {Messages: number(1), Code: RefusedStream}}},
			codes.Unavailable, "", Outcome{Status: 200, GRPC: -1, Reset: true, Code: RefusedStream, Injected: true}},
		{"cutNever", Plan{Cut: [2]*Cut{nil, {Messages: number(2), How: EndStatus, Status: Status{14, "cut"}}}}, codes.OK, "",
			Outcome{Status: 200, GRPC: 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := testContext(t)
			addr, _ := h2test.StartGRPC(t, &h2test.Service{})
			var outs outcomes
			calls := 0
			relays := relayTo(t, addr, planner{request: func(req *Request, plan *Plan) {
				if marked(req) != "" {
					*plan = test.plan
					calls++
					plan.State = fmt.Sprint(calls)
				}
			}, done: outs.done})
			c := h2test.DialGRPC(t, relays.addr)
			var others sync.WaitGroup
			stop := make(chan struct{})
			for i := range 3 {
				others.Go(func() {
					for n := 0; ; n++ {
						body := strings.Repeat(fmt.Sprint(i, n), 1000)
						if got, err := h2test.Unary(ctx, c, body); err != nil || got != body {
							t.Errorf("another call: %d bytes, %v", len(got), err)
							return
						}
						select {
						case <-stop:
							return
						default:
						}
					}
				})
			}
			for i := range 20 {
				got, err := h2test.Unary(mark(ctx, "yes"), c, "hello")
				st := status.Convert(err)
				if st.Code() != test.want || !strings.Contains(st.Message(), test.text) || err == nil && got != "hello" {
					t.Fatalf("call %d: %q, %v; want %v %q", i, got, err, test.want, test.text)
				}
				out := outs.of(t, fmt.Sprint(i+1))
				if test.name == "resetLaterResponse" {
					out.Status, out.GRPC = 200, 0 // whether the answer was there by then
				}
				if out != test.out {
					t.Fatalf("call %d: outcome %+v, want %+v", i, out, test.out)
				}
			}
			close(stop)
			others.Wait()
			until(t, "the end of all streams", func() bool { return relays.relays()[0].Streams() == 0 })
			if n := len(relays.relays()); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

// Messages that went through before a cut arrive.
func TestCutStream(t *testing.T) {
	for _, way := range []int{ToUpstream, ToClient} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint("way", way, "late", late), func(t *testing.T) {
				ctx := testContext(t)
				addr, _ := h2test.StartGRPC(t, &h2test.Service{})
				c := h2test.DialGRPC(t, relayTo(t, addr, planner{request: func(req *Request, plan *Plan) {
					plan.Cut[way] = &Cut{Messages: number(3), How: EndStatus, Status: Status{14, "cut"}}
					if late {
						plan.Hold[ToClient] = newAfter(5 * time.Millisecond)
					}
				}}).addr)
				s := h2test.Bidi(ctx, t, c)
				// In step, so that it is certain what the upstream answered before.
				for range 2 {
					h2test.Send(t, s, "hello")
					if got := h2test.Receive(t, s); got != "hello" {
						t.Fatalf("got %q", got)
					}
				}
				h2test.Send(t, s, strings.Repeat("x", 100_000))
				err := s.RecvMsg(new(h2test.Message))
				if way == ToClient {
					if err != nil {
						t.Fatalf("the third message: %v", err)
					}
					err = s.RecvMsg(new(h2test.Message))
				}
				if st := status.Convert(err); st.Code() != codes.Unavailable || st.Message() != "cut" {
					t.Errorf("after the cut: %v", err)
				}
				if err := s.SendMsg(&h2test.Message{}); err != io.EOF {
					t.Errorf("sending after the cut: %v", err)
				}
			})
		}
	}
}

// A call that is held waits; the others, of the same connection, do not. When the fault
// goes off it goes on at once.
func TestHoldOne(t *testing.T) {
	for _, d := range []int{ToUpstream, ToClient} {
		t.Run(fmt.Sprint("way", d), func(t *testing.T) {
			ctx := testContext(t)
			addr, _ := h2test.StartGRPC(t, &h2test.Service{})
			hold := newAfter(time.Hour)
			relays := relayTo(t, addr, planner{request: func(req *Request, plan *Plan) {
				if marked(req) != "" {
					plan.Hold[d] = hold
				}
			}})
			c := h2test.DialGRPC(t, relays.addr)
			const held = 20
			results := make(chan error, held)
			body := strings.Repeat("0123456789", 6000) // near the window: 20 of them are beyond the connection's
			for range held {
				go func() {
					got, err := h2test.Unary(mark(ctx, "yes"), c, body)
					if err == nil && got != body {
						err = fmt.Errorf("got %d bytes", len(got))
					}
					results <- err
				}()
			}
			until(t, "held calls", func() bool {
				relays.mu.Lock()
				defer relays.mu.Unlock()
				if len(relays.all) == 0 {
					return false
				}
				r := relays.all[0]
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.queues[d] == held
			})
			for i := range 200 {
				if got, err := h2test.Unary(ctx, c, body); err != nil || got != body {
					t.Fatalf("call %d, not held: %d bytes, %v", i, len(got), err)
				}
			}
			select {
			case err := <-results:
				t.Fatalf("a held call came back: %v", err)
			default:
			}
			close(hold.over)
			relays.relays()[0].Kick()
			for range held {
				if err := <-results; err != nil {
					t.Errorf("a call that was held: %v", err)
				}
			}
			if n := len(hold.served); n != held {
				t.Errorf("%d delays served, want %d", n, held)
			}
			for i := range 20 {
				if got, err := h2test.Unary(ctx, c, body); err != nil || got != body {
					t.Fatalf("call %d afterwards: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
}

// Calls that are given up while they are held leave nothing behind, and the windows are
// what they were.
func TestGiveUpHeld(t *testing.T) {
	for _, d := range []int{ToUpstream, ToClient} {
		t.Run(fmt.Sprint("way", d), func(t *testing.T) {
			ctx := testContext(t)
			addr, _ := h2test.StartGRPC(t, &h2test.Service{})
			relays := relayTo(t, addr, planner{request: func(req *Request, plan *Plan) {
				if marked(req) != "" {
					plan.Hold[d] = newAfter(time.Hour)
				}
			}})
			c := h2test.DialGRPC(t, relays.addr)
			body := strings.Repeat("0123456789", 6000)
			for range 20 {
				short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
				if _, err := h2test.Unary(mark(short, "yes"), c, body); status.Code(err) != codes.DeadlineExceeded {
					t.Fatalf("got %v", err)
				}
				cancel()
			}
			for i := range 20 {
				if got, err := h2test.Unary(ctx, c, body); err != nil || got != body {
					t.Fatalf("call %d afterwards: %d bytes, %v", i, len(got), err)
				}
			}
			r := relays.relays()[0]
			until(t, "the end of all streams", func() bool { return r.Streams() == 0 })
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.held != [2]int{} || r.queues != [2]int{} || r.ways[d].advanced != 0 {
				t.Errorf("held %v in %v queues, advanced %d", r.held, r.queues, r.ways[d].advanced)
			}
		})
	}
}

// Everything at once: each call is as it should be, whatever happens to the others.
func TestMixture(t *testing.T) {
	ctx := testContext(t)
	addr, _ := h2test.StartGRPC(t, &h2test.Service{})
	plans := map[string]func(plan *Plan){
		"answer":   func(p *Plan) { p.Answer = Status{14, "injected"}.Answer() },
		"reset":    func(p *Plan) { p.Reset = &Reset{Code: InternalError} },
		"request":  func(p *Plan) { p.Hold[ToUpstream] = newAfter(2 * time.Millisecond) },
		"response": func(p *Plan) { p.Hold[ToClient] = newAfter(2 * time.Millisecond) },
		"cut": func(p *Plan) {
			p.Cut[ToClient] = &Cut{Messages: number(1), How: EndStatus, Status: Status{14, "injected"}}
		},
		"none": func(p *Plan) {},
	}
	relays := relayTo(t, addr, planner{request: func(req *Request, plan *Plan) { plans[marked(req)](plan) }})
	c := h2test.DialGRPC(t, relays.addr)
	want := map[string]codes.Code{"answer": codes.Unavailable, "reset": codes.Internal, "cut": codes.Unavailable}
	var wg sync.WaitGroup
	for name := range plans {
		for i := range 4 {
			wg.Go(func() {
				for n := range 100 {
					body := strings.Repeat(fmt.Sprint(name, i, n), 1+n*i*20)
					header := metadata.AppendToOutgoingContext(mark(ctx, name), "given", fmt.Sprint(n))
					var trailer metadata.MD
					got, err := h2test.Unary(header, c, body, grpc.Trailer(&trailer))
					if status.Code(err) != want[name] || err == nil && got != body {
						t.Errorf("%s: %d bytes, %v; want %v", name, len(got), err, want[name])
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if n := len(relays.relays()); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// A relay that drains lets what is open end and takes nothing new.
func TestDrain(t *testing.T) {
	ctx := testContext(t)
	g := &h2test.Service{Started: make(chan string, 1), Release: make(chan struct{})}
	addr, _ := h2test.StartGRPC(t, g)
	relays := relayTo(t, addr, planner{})
	c := h2test.DialGRPC(t, relays.addr)
	result := make(chan error, 1)
	go func() {
		_, err := h2test.Unary(ctx, c, "wait")
		result <- err
	}()
	<-g.Started
	first := relays.relays()[0]
	first.Drain()
	for range 5 { // on a second connection, whether or not they began on the first
		if _, err := h2test.Unary(ctx, c, "hello", grpc.WaitForReady(true)); err != nil {
			t.Fatal(err)
		}
	}
	close(g.Release)
	if err := <-result; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	until(t, "the end of its streams", func() bool { return first.Streams() == 0 })
	if n := len(relays.relays()); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// An upstream that stops after its answer, which is held: the answer still comes.
func TestUpstreamEndsWhileHeld(t *testing.T) {
	ctx := testContext(t)
	addr, server := h2test.StartGRPC(t, &h2test.Service{})
	hold := newAfter(time.Hour)
	relays := relayTo(t, addr, planner{request: func(req *Request, plan *Plan) { plan.Hold[ToClient] = hold }})
	c := h2test.DialGRPC(t, relays.addr)
	result := make(chan error, 1)
	go func() {
		_, err := h2test.Unary(ctx, c, "hello")
		result <- err
	}()
	until(t, "the held answer", func() bool {
		for _, r := range relays.relays() {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.queues[toClient] == 1
		}
		return false
	})
	server.Stop()
	close(hold.over)
	relays.relays()[0].Kick()
	if err := <-result; err != nil {
		t.Errorf("the call whose answer was there: %v", err)
	}
}

// Clients that measure the connection with PING, as this one does when data comes, are
// not punished for what was held: the server, which counts pings that it gave no cause
// for, keeps the connection.
func TestHeldCausesNoPings(t *testing.T) {
	ctx := testContext(t)
	addr, _ := h2test.StartGRPC(t, &h2test.Service{})
	n := 0
	relays := relayTo(t, addr, planner{request: func(req *Request, plan *Plan) {
		n++
		plan.Hold[ToClient] = newAfter(time.Duration(n%20) * time.Millisecond)
		plan.Flow[ToClient] = pieces{}
	}})
	c := h2test.DialGRPC(t, relays.addr)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 5 {
				if _, err := h2test.Unary(ctx, c, strings.Repeat("x", 50_000)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(relays.relays()); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
