package h2

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"starquake/internal/alarm"
)

// pair is a relay with both of its ends in the hands of a test.
type pair struct {
	relay            *Relay
	client, upstream net.Conn
	got              [2]received // by way
	wg               sync.WaitGroup
	err              error
	clock            *alarm.Clock
}

// received checks what one end gets: whatever the other sent, it is well formed.
type received struct {
	mu       sync.Mutex
	rest     []byte
	frames   int
	goAway   []Code
	resets   map[uint32]Code
	block    []byte // a header block that is open
	stream   uint32
	open     bool
	fields   map[uint32][]Field // of the last block of each stream
	data     map[uint32][]byte
	ended    map[uint32]bool
	dec      *hpack.Decoder
	settings []byte // of the first SETTINGS
	problem  error
	highest  uint32
}

func newPair(t testing.TB, hooks Hooks) *pair {
	clock, err := alarm.New()
	if err != nil {
		t.Fatal(err)
	}
	client, relayClient := net.Pipe()
	upstream, relayUp := net.Pipe()
	p := &pair{client: client, upstream: upstream, clock: clock}
	p.relay = New(Config{Client: relayClient, Upstream: relayUp, Hooks: hooks, Clock: clock})
	p.wg.Go(func() { p.err = p.relay.Run(context.Background()) })
	for way, conn := range map[direction]net.Conn{toClient: client, toUpstream: upstream} {
		g := &p.got[way]
		g.resets, g.fields, g.data, g.ended = map[uint32]Code{}, map[uint32][]Field{}, map[uint32][]byte{}, map[uint32]bool{}
		g.dec = hpack.NewDecoder(defaultTable, nil)
		g.dec.SetAllowedMaxDynamicTableSize(mostTable)
		p.wg.Go(func() { g.read(conn, way) })
	}
	return p
}

// close ends both sides and returns what the relay said.
func (p *pair) close(t testing.TB) error {
	t.Helper()
	p.client.Close()
	p.upstream.Close()
	p.wg.Wait()
	p.clock.Close()
	r := p.relay
	if r.held != [2]int{} || r.queues != [2]int{} || len(r.streams) != 0 || r.ways[0].advanced != 0 || r.ways[1].advanced != 0 {
		t.Errorf("after its end: held %v, queues %v, %d streams, advanced %d, %d", r.held, r.queues, len(r.streams), r.ways[0].advanced, r.ways[1].advanced)
	}
	if r.collecting != 0 {
		t.Errorf("after its end %d bytes are collected", r.collecting)
	}
	for way := range p.got {
		if p.got[way].problem != nil {
			t.Errorf("way %d: %v", way, p.got[way].problem)
		}
	}
	return p.err
}

func (g *received) read(conn net.Conn, way direction) {
	buf := make([]byte, 64<<10)
	prefaced := way == toClient
	for {
		n, err := conn.Read(buf)
		g.mu.Lock()
		g.rest = append(g.rest, buf[:n]...)
		if !prefaced && len(g.rest) >= len(Preface) {
			prefaced = true
			g.rest = g.rest[len(Preface):]
		}
		for prefaced && len(g.rest) >= headLen && g.problem == nil {
			h := parseHead(g.rest)
			if len(g.rest) < headLen+h.length {
				break
			}
			g.problem = g.frame(h, g.rest[headLen:headLen+h.length], way)
			g.rest = g.rest[headLen+h.length:]
		}
		g.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (g *received) frame(h head, payload []byte, way direction) error {
	if code, what := h.check(mostMaxFrame); code != NoError {
		return fmt.Errorf("got %s", what)
	}
	if g.frames++; g.frames == 1 && h.kind != frameSettings && h.kind != frameGoAway {
		return fmt.Errorf("the first frame is of type %d", h.kind)
	}
	if g.open != (h.kind == frameContinuation) || g.open && h.stream != g.stream {
		return fmt.Errorf("a frame of type %d on stream %d, open %v on %d", h.kind, h.stream, g.open, g.stream)
	}
	switch h.kind {
	case frameSettings:
		if g.settings == nil {
			g.settings = append([]byte{}, payload...)
		}
	case frameHeaders, frameContinuation:
		if h.kind == frameHeaders {
			if way == toUpstream && h.stream > g.highest {
				g.highest = h.stream
			}
			g.block = g.block[:0]
			g.ended[h.stream] = g.ended[h.stream] || h.flags&flagEndStream != 0
			payload, _ = h.unpad(payload)
		}
		g.block = append(g.block, payload...)
		g.stream, g.open = h.stream, h.flags&flagEndHeaders == 0
		if !g.open {
			fields, err := g.dec.DecodeFull(g.block)
			if err != nil {
				return fmt.Errorf("the header block of stream %d: %w", h.stream, err)
			}
			g.fields[h.stream] = fields
		}
	case frameData:
		content, ok := h.unpad(payload)
		if !ok {
			return fmt.Errorf("padding of stream %d", h.stream)
		}
		g.data[h.stream] = append(g.data[h.stream], content...)
		g.ended[h.stream] = g.ended[h.stream] || h.flags&flagEndStream != 0
	case frameRSTStream:
		g.resets[h.stream] = Code(binary.BigEndian.Uint32(payload))
	case frameGoAway:
		g.goAway = append(g.goAway, Code(binary.BigEndian.Uint32(payload[4:])))
	}
	return nil
}

// fuzzHooks do to a stream what its path says in letters.
func fuzzHooks() Hooks {
	return planner{request: func(req *Request, p *Plan) {
		for _, c := range req.Path {
			way := int(c>>5) & 1 // letters: capitals are 0, others 1
			switch c | 0x20 {
			case 'h':
				p.Hold[way] = newAfter(time.Millisecond)
			case 'k':
				p.Hold[way] = newAfter(time.Hour)
			case 'a':
				p.Answer = &Answer{Fields: fields(503), Body: bytes.Repeat([]byte("x"), 100<<10*way)}
			case 'l':
				p.Hold[ToUpstream] = newAfter(100 * time.Microsecond)
				p.Late = func() *Answer { return Status{Code: 8}.Answer() }
			case 'r':
				p.Reset = &Reset{Code: Cancel}
				if way == 1 {
					p.Reset.After = newAfter(time.Millisecond)
				}
			case 'm':
				p.Cut[way] = &Cut{Messages: number(1), How: EndStatus, Status: Status{14, "x"}}
			case 'b':
				p.Cut[way] = &Cut{Bytes: 10, How: EndQuietly}
			case 'f':
				p.Cut[way] = &Cut{Keep: half, Code: Cancel}
			case 'w':
				p.Edit[way] = &Edit{Limit: 1000, Whole: func(f []Field, b []byte) ([]Field, []byte) { return f, append(b, b...) }}
			case 'd':
				p.Edit[way] = &Edit{Head: func(f []Field) []Field { return append(f, Field{Name: "x", Value: "y"}) }, Data: func([]byte) {}}
			case 'p':
				p.Flow[way] = pieces{}
			case 'c': // what stands before it is planned when the body has come
				late := *p
				*p = Plan{Collect: &Collect{Limit: 5000, Plan: func(_ []byte, _ bool, p *Plan) { *p = late }}}
			}
		}
	}, changed: func(any) Change {
		return Change{Hold: newAfter(100 * time.Microsecond), Reset: &Reset{Code: Cancel, After: newAfter(5 * time.Millisecond)}}
	}}
}

// pieces is a Flow of small pieces.
type pieces struct{}

func (pieces) Block() Hold { return newAfter(10 * time.Microsecond) }

func (pieces) Piece(n int, _ bool) (size int, hold, pause Hold) {
	return min(n, 1000), newAfter(10 * time.Microsecond), newAfter(time.Microsecond)
}

// play turns bytes into what the two ends do: mostly what the protocol allows, in any
// order.
type play struct {
	p    *pair
	enc  [2]*hpack.Encoder
	buf  [2]bytes.Buffer
	next uint32
	in   []byte
	out  [2][]byte // to be sent by the client, the upstream
}

func (y *play) byte() byte {
	if len(y.in) == 0 {
		return 0
	}
	b := y.in[0]
	y.in = y.in[1:]
	return b
}

func (y *play) send() {
	for side, conn := range []net.Conn{y.p.client, y.p.upstream} {
		if len(y.out[side]) > 0 {
			conn.Write(y.out[side]) // the relay may have ended
			y.out[side] = y.out[side][:0]
		}
	}
}

func (y *play) run() {
	for side := range y.enc {
		y.enc[side] = hpack.NewEncoder(&y.buf[side])
	}
	y.next = 1
	y.out[0] = append(y.out[0], Preface...)
	y.out[0] = appendHead(y.out[0], 0, frameSettings, 0, 0)
	y.out[1] = appendHead(y.out[1], 0, frameSettings, 0, 0)
	for len(y.in) > 0 {
		y.step()
		if y.byte()%4 != 0 {
			y.send()
		}
	}
	y.send()
}

const fuzzLetters = "hHkKaAlrRmMbBfFwWdDpPcCcC"

func (y *play) step() {
	op := y.byte()
	side := int(op & 1)
	stream := uint32(op>>4)*2 + 1
	end := uint8(0)
	if op&2 != 0 {
		end = flagEndStream
	}
	out := &y.out[side]
	switch y.byte() % 10 {
	case 0, 1, 2:
		y.buf[side].Reset()
		f := []Field{{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/"}, {Name: "n", Value: strconv.Itoa(int(op))}}
		if side == 1 {
			f = fields(200, "content-length", strconv.Itoa(int(op)*10), "n", strconv.Itoa(int(y.byte())))
		} else if y.next < 2000 && op&4 == 0 {
			stream = y.next
			y.next += 2
			for range y.byte() % 5 {
				f[1].Value += string(fuzzLetters[int(y.byte())%len(fuzzLetters)])
			}
		}
		for i := range f {
			y.enc[side].WriteField(f[i])
		}
		block := y.buf[side].Bytes()
		cut := min(len(block), int(y.byte()))
		if cut == len(block) {
			*out = append(appendHead(*out, len(block), frameHeaders, end|flagEndHeaders, stream), block...)
			break
		}
		*out = append(appendHead(*out, cut, frameHeaders, end, stream), block[:cut]...)
		*out = append(appendHead(*out, len(block)-cut, frameContinuation, flagEndHeaders, stream), block[cut:]...)
	case 3, 4, 5:
		n := int(y.byte()) * 40
		pad := y.byte()
		payload := make([]byte, n)
		if n > 5 && op&8 != 0 {
			payload[4] = byte(n - 5)
		}
		if pad > 200 {
			*out = append(appendHead(*out, 1+n+50, frameData, end|flagPadded, stream), 50)
			*out = append(append(*out, payload...), make([]byte, 50)...)
			break
		}
		*out = append(appendHead(*out, n, frameData, end, stream), payload...)
	case 6:
		*out = appendReset(*out, stream, Cancel)
	case 7:
		if op&4 == 0 {
			stream = 0
		}
		*out = appendWindowUpdate(*out, stream, int64(y.byte())*1000+1)
	case 8:
		switch op >> 6 {
		case 0:
			*out = append(appendHead(*out, 12, frameSettings, 0, 0), 0, settingInitialWindowSize, 0, 0, y.byte(), y.byte(), 0, settingHeaderTableSize, 0, 0, y.byte(), 0)
		case 1:
			*out = append(appendHead(*out, 8, framePing, 0, 0), "12345678"...)
		case 2:
			*out = appendGoAway(*out, stream, NoError, "")
		case 3:
			y.p.relay.Drain()
		}
	case 9:
		y.p.relay.Kick()
	}
}

// Whatever the two ends do, both get well-formed frames and header blocks that they can
// decode, and nothing is left over.
func FuzzPlay(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		p := newPair(t, fuzzHooks())
		y := &play{p: p, in: in}
		y.run()
		p.close(t)
	})
}

// Many plays, at random.
func TestPlays(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 100
	}
	for seed := range n {
		rng := rand.New(rand.NewPCG(7, uint64(seed)))
		in := make([]byte, 20+rng.IntN(600))
		for i := range in {
			in[i] = byte(rng.Uint32())
		}
		p := newPair(t, fuzzHooks())
		(&play{p: p, in: in}).run()
		p.close(t)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzBytes sends any bytes from either side.
func FuzzBytes(f *testing.F) {
	f.Add([]byte(Preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), []byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, client, upstream []byte) {
		p := newPair(t, fuzzHooks())
		p.upstream.Write(upstream)
		p.client.Write(append([]byte(Preface), client...))
		p.close(t)
	})
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x02ab\x00\x00\x00\x00\x00"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		// However the bytes come, the messages end where they do in one piece.
		ends := func(step int) (ends []int) {
			var c scanner
			for at := 0; at < len(in); {
				to := min(len(in), at+step)
				for at < to {
					n, ended := c.next(in[at:to])
					if at += n; ended {
						ends = append(ends, at)
					} else if at < to {
						t.Fatalf("stopped at %d of %d inside a message", at, to)
					}
				}
			}
			return ends
		}
		if whole, parts := ends(len(in)+1), ends(int(step)+1); fmt.Sprint(whole) != fmt.Sprint(parts) {
			t.Errorf("in one piece %v, in pieces of %d %v", whole, step+1, parts)
		}
	})
}
