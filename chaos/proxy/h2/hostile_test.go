package h2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

const noSettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// headerBlock encodes fields with an encoder of its own.
func headerBlock(fields ...Field) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, f := range fields {
		enc.WriteField(f)
	}
	return b.Bytes()
}

func requestBlock() []byte {
	return headerBlock(Field{Name: ":method", Value: "GET"}, Field{Name: ":scheme", Value: "http"}, Field{Name: ":path", Value: "/"})
}

func frame(kind, flags uint8, stream uint32, payload []byte) []byte {
	return append(appendHead(nil, len(payload), kind, flags, stream), payload...)
}

func setting(id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, id), value)
}

// What breaks the protocol, or only wears the other side out, ends the connection with
// the code that says so.
func TestHostile(t *testing.T) {
	request := func(id uint32) []byte {
		return frame(frameHeaders, flagEndHeaders|flagEndStream, id, requestBlock())
	}
	bomb := func() []byte { // one field of 4000 bytes in the table, named ten thousand times
		b := headerBlock(Field{Name: "bomb", Value: strings.Repeat("x", 4000)})
		return append(b, bytes.Repeat([]byte{0x80 | 62}, 10000)...)
	}
	for _, test := range []struct {
		name     string
		client   func(send func([]byte) bool)
		upstream func(send func([]byte) bool)
		code     Code
	}{
		{name: "no preface", client: func(send func([]byte) bool) { send([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00")) }, code: ProtocolError},
		{name: "no SETTINGS", client: func(send func([]byte) bool) { send([]byte(Preface)); send(request(1)) }, code: ProtocolError},
		{name: "too long", client: start(appendHead(nil, 16385, frameData, 0, 1)), code: FrameSizeError},
		{name: "PING of 7", client: start(frame(framePing, 0, 0, make([]byte, 7))), code: FrameSizeError},
		{name: "PING on a stream", client: start(frame(framePing, 0, 1, make([]byte, 8))), code: ProtocolError},
		{name: "DATA on 0", client: start(frame(frameData, 0, 0, nil)), code: ProtocolError},
		{name: "even stream", client: start(request(2)), code: ProtocolError},
		{name: "push", client: start(frame(framePushPromise, flagEndHeaders, 1, make([]byte, 4))), code: ProtocolError},
		{name: "padding", client: start(frame(frameData, flagPadded, 1, []byte{9})), code: ProtocolError},
		{name: "header padding", client: start(frame(frameHeaders, flagPadded|flagEndHeaders, 1, []byte{9})), code: ProtocolError},
		{name: "bad compression", client: start(frame(frameHeaders, flagEndHeaders, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})), code: CompressionError},
		{name: "half a field", client: start(frame(frameHeaders, flagEndHeaders, 1, []byte{0x40, 5, 'a'})), code: CompressionError},
		{name: "table too great", client: start(frame(frameHeaders, flagEndHeaders, 1, []byte{0x3f, 0xe1, 0xff, 0x7f})), code: CompressionError},
		{name: "interrupted block", client: start(frame(frameHeaders, 0, 1, requestBlock()), frame(framePing, 0, 0, make([]byte, 8))), code: ProtocolError},
		{name: "CONTINUATION of another", client: start(frame(frameHeaders, 0, 1, requestBlock()), frame(frameContinuation, 0, 3, nil)), code: ProtocolError},
		{name: "CONTINUATION alone", client: start(frame(frameContinuation, flagEndHeaders, 1, requestBlock())), code: ProtocolError},
		{name: "CONTINUATION flood", client: flood(1000, frame(frameHeaders, 0, 1, requestBlock()), frame(frameContinuation, 0, 1, nil)), code: EnhanceYourCalm},
		{name: "CONTINUATION of much", client: flood(1000, frame(frameHeaders, 0, 1, requestBlock()),
			frame(frameContinuation, 0, 1, headerBlock(Field{Name: "a", Value: strings.Repeat("~", 10000), Sensitive: true}))), code: EnhanceYourCalm},
		{name: "header bomb", client: start(frame(frameHeaders, flagEndHeaders, 1, bomb())), code: EnhanceYourCalm},
		{name: "window of 0", client: start(appendWindowUpdate(nil, 0, 0)), code: ProtocolError},
		{name: "window overflow", client: start(appendWindowUpdate(nil, 0, maxID), appendWindowUpdate(nil, 0, maxID)), code: FlowControlError},
		{name: "initial window", client: start(frame(frameSettings, 0, 0, setting(settingInitialWindowSize, 1<<31))), code: FlowControlError},
		{name: "initial window of a stream", client: start(request(1), appendWindowUpdate(nil, 1, maxID-defaultWindow),
			frame(frameSettings, 0, 0, setting(settingInitialWindowSize, defaultWindow+1))), code: FlowControlError},
		{name: "frame size", client: start(frame(frameSettings, 0, 0, setting(settingMaxFrameSize, 100))), code: ProtocolError},
		{name: "PING flood", client: flood(maxIdle+10, nil, frame(framePing, 0, 0, make([]byte, 8))), code: EnhanceYourCalm},
		{name: "SETTINGS flood", client: flood(maxIdle+10, nil, frame(frameSettings, 0, 0, setting(settingInitialWindowSize, 5))), code: EnhanceYourCalm},
		{name: "empty DATA flood", client: flood(maxIdle+10, frame(frameHeaders, flagEndHeaders, 1, requestBlock()), frame(frameData, 0, 1, nil)), code: EnhanceYourCalm},
		{name: "rapid reset", client: func(send func([]byte) bool) {
			send([]byte(Preface + noSettings))
			// More than the allowance refills by meanwhile, however slow the machine.
			for id := uint32(1); send(append(request(id), appendReset(nil, id, Cancel)...)); id += 2 {
			}
		}, code: EnhanceYourCalm},
		{name: "upstream speaks HTTP/1", client: start(), upstream: func(send func([]byte) bool) { send([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, code: InternalError},
		{name: "upstream pushes", client: start(request(1)), upstream: func(send func([]byte) bool) {
			send([]byte(noSettings))
			send(frame(framePushPromise, flagEndHeaders, 1, make([]byte, 4)))
		}, code: InternalError},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, planner{})
			if test.upstream == nil {
				test.upstream = func(send func([]byte) bool) { send([]byte(noSettings)) }
			}
			test.upstream(func(b []byte) bool { _, err := p.upstream.Write(b); return err == nil })
			test.client(func(b []byte) bool { _, err := p.client.Write(b); return err == nil })
			until(t, "GOAWAY", func() bool {
				g := &p.got[toClient]
				g.mu.Lock()
				defer g.mu.Unlock()
				return len(g.goAway) > 0
			})
			if got := p.got[toClient].goAway; fmt.Sprint(got) != fmt.Sprint([]Code{test.code}) {
				t.Errorf("GOAWAY %v, want %v", got, test.code)
			}
			if err := p.close(t); err == nil {
				t.Error("the relay ended without an error")
			}
		})
	}
}

// start sends preface, SETTINGS, and frames.
func start(frames ...[]byte) func(send func([]byte) bool) {
	return flood(1, bytes.Join(frames, nil), nil)
}

// flood sends preface, SETTINGS, first, and n times again, until that is not taken.
func flood(n int, first, again []byte) func(send func([]byte) bool) {
	return func(send func([]byte) bool) {
		send(append([]byte(Preface+noSettings), first...))
		const some = 100
		for ; n > 0 && len(again) > 0 && send(bytes.Repeat(again, min(n, some))); n -= some {
		}
	}
}

// A client that makes the relay hold as much as it can is not read any more: what is
// held stays bounded, and other connections are not touched.
func TestHeldIsBounded(t *testing.T) {
	over := newAfter(time.Hour)
	p := newPair(t, planner{request: func(req *Request, plan *Plan) { plan.Hold[ToUpstream] = over }})
	p.upstream.Write([]byte(noSettings))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := p.client.Write([]byte(Preface + noSettings)); err != nil {
			return
		}
		for id := uint32(1); ; id += 2 {
			f := append(frame(frameHeaders, flagEndHeaders, id, requestBlock()), frame(frameData, 0, id, make([]byte, 16000))...)
			if _, err := p.client.Write(f); err != nil {
				return
			}
		}
	}()
	r := p.relay
	until(t, "the bound", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.held[toUpstream] > heldMost
	})
	for range 100 {
		runtime.Gosched()
	}
	r.mu.Lock()
	if r.held[toUpstream] > heldMost+fullBuffer+itemCost {
		t.Errorf("%d bytes are held, expected little more than %d", r.held[toUpstream], heldMost)
	}
	r.mu.Unlock()
	p.close(t)
	<-done
}

// A client that asks on and on and reads nothing is ended.
func TestAnswersUnread(t *testing.T) {
	p := newPair(t, planner{request: func(req *Request, plan *Plan) {
		plan.Answer = &Answer{Fields: fields(503, "x", strings.Repeat("y", 1000))}
	}})
	p.upstream.Write([]byte(noSettings))
	g := &p.got[toClient]
	until(t, "SETTINGS", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.frames == 1
	})
	g.mu.Lock() // so that nothing is read; the upstream's way gets stuck on that
	for range 2 {
		p.upstream.Write(frame(framePing, 0, 0, make([]byte, 8)))
	}
	until(t, "a write that is stuck", func() bool {
		p.relay.mu.Lock()
		defer p.relay.mu.Unlock()
		return p.relay.sinks[toClient].writing
	})
	write := []byte(Preface + noSettings)
	for id := uint32(1); ; id += 2 {
		write = append(write, frame(frameHeaders, flagEndHeaders|flagEndStream, id, requestBlock())...)
		if id%200 != 1 {
			continue
		}
		if _, err := p.client.Write(write); err != nil {
			break
		}
		write = write[:0]
	}
	g.mu.Unlock()
	if err := p.close(t); err == nil || !strings.Contains(err.Error(), "not being read") {
		t.Errorf("the relay ended with %v", err)
	}
}

// Settings that would let the ends agree on frames and tables of any size are lowered,
// and no pushes are asked for; the rest goes as it came.
func TestSettings(t *testing.T) {
	p := newPair(t, planner{})
	p.upstream.Write(frame(frameSettings, 0, 0, append(setting(settingMaxFrameSize, 1<<23), setting(3, 7)...)))
	p.client.Write(append([]byte(Preface), frame(frameSettings, 0, 0, append(setting(settingHeaderTableSize, 1<<30), setting(99, 5)...))...))
	for way, want := range map[direction][]byte{
		toClient:   append(setting(settingMaxFrameSize, mostMaxFrame), setting(3, 7)...),
		toUpstream: append(append(setting(settingHeaderTableSize, mostTable), setting(99, 5)...), setting(settingEnablePush, 0)...),
	} {
		g := &p.got[way]
		until(t, "SETTINGS", func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.settings != nil
		})
		if !bytes.Equal(g.settings, want) {
			t.Errorf("way %d: got % x, want % x", way, g.settings, want)
		}
	}
	p.close(t)
}
