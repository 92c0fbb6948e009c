package proxy

import (
	"time"

	"starquake/chaos"
)

// The kinds that hold requests and chunks back.

func prepareLatency(f *chaos.Fault) acts {
	l := chaos.NewLatency(f)
	ways := [2]bool{toUpstream: l.Request, toClient: l.Response}
	return acts{
		ways: ways, message: delayMessage(&l),
		request: func(v *verdict, h *hit) bool {
			// Each way has draws of its own: 2n and 2n+1.
			if l.Request {
				v.request = append(v.request, delay{by: h.by, n: h.n, d: l.Delay(h.by.draws, 2*h.n, h.elapsed)})
			}
			if l.Response {
				v.response = append(v.response, delay{by: h.by, n: h.n, d: l.Delay(h.by.draws, 2*h.n+1, h.elapsed)})
			}
			return true
		},
		stream: func(f *flow, h *hit) {
			if !ways[f.way] {
				return
			}
			by, of := h.by, chunksOf(h, f.way)
			wait := func(n uint64, elapsed time.Duration) time.Duration { return l.Delay(by.draws, of(n), elapsed) }
			f.delays = append(f.delays, chunkDelay{by: by, wait: wait, bulky: true})
		},
	}
}

// chunksOf numbers the chunks of one way of what h has hit among all of its fault.
func chunksOf(h *hit, way direction) func(chunk uint64) uint64 {
	base := h.n<<32 | uint64(way)
	return func(chunk uint64) uint64 { return base | chunk<<1&(1<<32-1) }
}

// forever is how long a lost chunk is held that no retransmission brings: until the
// fault is gone.
const forever = 24 * time.Hour

func preparePacketLoss(f *chaos.Fault) acts {
	l := chaos.NewPacketLoss(f)
	lose := func(f *flow, h *hit) {
		by, of := h.by, chunksOf(h, f.way)
		f.delays = append(f.delays, chunkDelay{by: by, wait: func(n uint64, elapsed time.Duration) time.Duration {
			hold, never := l.Hold(by.draws, of(n), elapsed)
			if never {
				return forever
			}
			return hold
		}})
	}
	return acts{stream: lose, body: lose}
}
