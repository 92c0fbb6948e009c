package chaos_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/chaos"
)

// made returns a fault, or fails the test.
func made(t interface {
	Helper()
	Fatal(...any)
}, kind string, a args) *chaos.Fault {
	t.Helper()
	f, err := chaos.New(kind, a)
	if err != nil {
		t.Fatal(err)
	}
	return &f
}

// within3Sigma checks how often of n draws an event of probability p happened.
func within3Sigma(t *testing.T, what string, happened, n int, p float64) {
	t.Helper()
	if sigma := math.Sqrt(float64(n) * p * (1 - p)); math.Abs(float64(happened)-float64(n)*p) > 3*sigma {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, happened, n, float64(n)*p, 3*sigma)
	}
}

const draws = 100_000

func TestPacketLoss(t *testing.T) {
	for _, percent := range []float64{0.5, 1, 5, 50, 90} {
		p := chaos.NewPacketLoss(made(t, "packet_loss", args{"percent": percent}))
		d := chaos.NewDraws(1, "loss")
		held := map[time.Duration]int{}
		for n := range uint64(draws) {
			hold, forever := p.Hold(d, n, 0)
			if again, _ := p.Hold(d, n, 0); again != hold {
				t.Fatal("the same chunk was held differently")
			}
			if forever {
				hold = -1
			}
			held[hold]++
		}
		share := percent / 100
		within3Sigma(t, "passing at once", held[0], draws, 1-share)
		within3Sigma(t, "lost once", held[200*time.Millisecond], draws, share*(1-share))
		within3Sigma(t, "lost twice", held[600*time.Millisecond], draws, share*share*(1-share))
		within3Sigma(t, "lost for good", held[-1], draws, math.Pow(share, 16))
	}
	all := chaos.NewPacketLoss(made(t, "packet_loss", args{"percent": ramp(0, 100, "10s", "")}))
	if _, forever := all.Hold(chaos.NewDraws(1, "x"), 0, 10*time.Second); !forever {
		t.Error("a chunk passes at 100 %")
	}
	if hold, forever := all.Hold(chaos.NewDraws(1, "x"), 0, 0); hold != 0 || forever {
		t.Error("a chunk is lost at 0 %")
	}
}

// A stream that waits as long as it is told stays below the rate whatever its chunks,
// and, where its timers are a little late, within 1 % of it.
func TestPacer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1000, 3e7).Draw(t, "rate")
		late := time.Duration(rapid.IntRange(0, 2_000_000).Draw(t, "late"))
		sizes := rapid.SliceOfN(rapid.IntRange(1, chaos.Piece(rate)), 1, 20).Draw(t, "sizes")
		var p chaos.Pacer
		now := time.Unix(1_000_000, 0)
		start, sent := now, 0.0
		for i := 0; i < 2000; i++ {
			n := sizes[i%len(sizes)]
			if wait := p.Take(n, rate, now); wait > 0 {
				now = now.Add(wait + late)
			}
			sent += float64(n)
			if took := now.Sub(start).Seconds(); sent > rate*(took+0.026)+1 { // what a stream may catch up
				t.Fatalf("%v bytes in %v s at %v B/s", sent, took, rate)
			}
		}
		took := now.Sub(start).Seconds()
		if most := rate*took + 1; sent > most && late == 0 {
			t.Fatalf("%v bytes in %v s, want at most %v", sent, took, most)
		}
		if sent < rate*(took-late.Seconds()-2000e-9)*0.999-1 { // each wait is rounded up to a nanosecond
			t.Fatalf("%v bytes in %v s at %v B/s", sent, took, rate)
		}
	})
	var p chaos.Pacer
	now := time.Unix(1_000_000, 0)
	p.Take(1000, 1000, now)
	if wait := p.Take(1000, 1000, now.Add(time.Hour)); wait != time.Second {
		t.Errorf("after a pause a second's worth waits %v", wait)
	}
	if wait := p.Take(1000, 1000, now.Add(time.Hour)); wait != 2*time.Second {
		t.Errorf("behind a second's worth another waits %v", wait)
	}
}

func TestBandwidth(t *testing.T) {
	b := chaos.NewBandwidth(made(t, "bandwidth", args{"rate": ramp("1KB/s", "2KB/s", "10s", ""), "per": "target", "direction": "request"}))
	if !b.PerTarget || !b.Request || b.Response || b.Rate(5*time.Second) != 1500 {
		t.Errorf("got %+v, %v B/s after 5 s", b, b.Rate(5*time.Second))
	}
	for rate, want := range map[float64]int{1: 1, 1000: 20, 1e9: 64 << 10} {
		if got := chaos.Piece(rate); got != want {
			t.Errorf("at %v B/s pieces of %d bytes, want %d", rate, got, want)
		}
	}
}

func TestSlicer(t *testing.T) {
	s := chaos.NewSlicer(made(t, "slicer", args{"average": 100, "variation": 50, "delay": ramp(0, "1s", "10s", "")}))
	d := chaos.NewDraws(1, "x")
	sum, low := 0, 0
	for n := range uint64(draws) {
		size := s.Size(d, n, 0)
		if size < 50 || size > 150 {
			t.Fatalf("a slice of %d", size)
		}
		sum += size
		if size < 100 {
			low++
		}
	}
	if mean := float64(sum) / draws; math.Abs(mean-100) > 3*29/math.Sqrt(draws) {
		t.Errorf("slices of %v on average", mean)
	}
	within3Sigma(t, "below the average", low, draws, 0.495)
	if got := s.Delay(5 * time.Second); got != 500*time.Millisecond {
		t.Errorf("a delay of %v", got)
	}
	tiny := chaos.NewSlicer(made(t, "slicer", args{"average": 1, "variation": 1000}))
	for n := range uint64(1000) {
		if tiny.Size(d, n, 0) < 1 {
			t.Fatal("an empty slice")
		}
	}
}

func TestMaxConnections(t *testing.T) {
	m := chaos.NewMaxConnections(made(t, "max_connections", args{"n": ramp(10, 0, "10s", "")}))
	for _, test := range []struct {
		open int
		at   time.Duration
		want bool
	}{{10, 0, true}, {11, 0, false}, {5, 5 * time.Second, true}, {6, 5 * time.Second, false}, {1, time.Minute, false}} {
		if got := m.Admits(test.open, test.at); got != test.want {
			t.Errorf("%d open after %v: %v", test.open, test.at, got)
		}
	}
}

func TestPartialResponse(t *testing.T) {
	for fraction, want := range map[float64]int64{0: 0, 0.25: 25, 0.5: 50, 1: 100} {
		p := chaos.NewPartialResponse(made(t, "partial_response", args{"fraction": fraction}))
		if got := p.Keep(100, 0); got != want {
			t.Errorf("%v of 100 is %d", fraction, got)
		}
	}
}

// What a corruption changes does not depend on the chunks, leaves the length, and is
// never nothing.
func TestCorrupt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"random_bytes", "bit_flip"}).Draw(t, "kind")
		c := chaos.NewCorrupt(made(t, "corrupt", args{"kind": kind}))
		d := chaos.NewDraws(rapid.Uint64().Draw(t, "seed"), "x")
		n := rapid.Uint64Range(0, 1000).Draw(t, "n")
		body := rapid.SliceOfN(rapid.Byte(), 1, 500).Draw(t, "body")
		total := int64(len(body))
		if rapid.Bool().Draw(t, "unknown") {
			total = -1
		}
		whole := bytes.Clone(body)
		c.Apply(d, n, 0, total, whole)
		inChunks := bytes.Clone(body)
		for at := 0; at < len(body); {
			end := min(len(body), at+rapid.IntRange(1, 100).Draw(t, "chunk"))
			c.Apply(d, n, int64(at), total, inChunks[at:end])
			at = end
		}
		if !bytes.Equal(whole, inChunks) {
			t.Fatalf("%x in chunks is %x", whole, inChunks)
		}
		changed, bits := 0, 0
		for i := range body {
			if diff := body[i] ^ whole[i]; diff != 0 {
				changed++
				for ; diff > 0; diff &= diff - 1 {
					bits++
				}
			}
		}
		every := map[string]int{"random_bytes": 16, "bit_flip": 64}[kind]
		blocks := (len(body) + every - 1) / every
		if changed < max(1, blocks-1) || changed > blocks || kind == "bit_flip" && bits != changed {
			t.Fatalf("%d bytes, %d bits of %d are others", changed, bits, len(body))
		}
	})
	cut := chaos.NewCorrupt(made(t, "corrupt", args{"kind": "truncate", "direction": "both"}))
	body := []byte("unchanged")
	cut.Apply(chaos.NewDraws(1, "x"), 0, 0, 9, body)
	if !cut.Truncates() || cut.Keep(9) != 4 || string(body) != "unchanged" || !cut.Request || !cut.Response {
		t.Errorf("truncate keeps %d, makes %s", cut.Keep(9), body)
	}
}
