package proxy

import (
	"time"

	"starquake/chaos"
)

// The kinds that act on bytes as they pass.

func prepareBandwidth(f *chaos.Fault) acts {
	b := chaos.NewBandwidth(f)
	ways := [2]bool{toUpstream: b.Request, toClient: b.Response}
	shared := new([2]chaos.Pacer)
	limit := func(f *flow, h *hit) {
		if !ways[f.way] {
			return
		}
		pacers := shared
		if !b.PerTarget {
			pacers = keep(h.c, h.by, func() *[2]chaos.Pacer { return new([2]chaos.Pacer) })
		}
		f.paces = append(f.paces, pace{by: h.by, rate: b.Rate, pacer: &pacers[f.way]})
	}
	return acts{stream: limit, body: limit}
}

func prepareSlicer(f *chaos.Fault) acts {
	s := chaos.NewSlicer(f)
	ways := [2]bool{toUpstream: s.Request, toClient: s.Response}
	slices := func(f *flow, h *hit) {
		if !ways[f.way] {
			return
		}
		by, of := h.by, chunksOf(h, f.way)
		f.slices = append(f.slices, slice{by, func(n uint64, elapsed time.Duration) (int, time.Duration) {
			pause := s.Delay(elapsed)
			if n == 0 {
				pause = 0 // it comes between two slices
			}
			return s.Size(by.draws, of(n), elapsed), pause
		}})
	}
	return acts{stream: slices, body: slices}
}

func prepareLimitData(f *chaos.Fault) acts {
	bytes := f.Number("bytes")
	spared := spared(f)
	fresh := func(h *hit) *limit {
		l := &limit{by: h.by}
		l.left.Store(int64(bytes.At(h.elapsed)))
		return l
	}
	return acts{
		stream: func(f *flow, h *hit) {
			both := keep(h.c, h.by, func() *[2]*limit { return &[2]*limit{fresh(h), fresh(h)} })
			if !spared[f.way] {
				f.limits = append(f.limits, both[f.way])
			}
		},
		body: func(f *flow, h *hit) {
			if !spared[f.way] {
				f.limits = append(f.limits, fresh(h))
			}
		},
	}
}

func prepareCorrupt(f *chaos.Fault) acts {
	c := chaos.NewCorrupt(f)
	ways := [2]bool{toUpstream: c.Request, toClient: c.Response}
	if c.Truncates() {
		return acts{
			ways: ways, message: alterMessage(&c), editsMessages: true,
			stream: func(f *flow, h *hit) {
				if ways[f.way] {
					f.keeps = append(f.keeps, keepPart{h.by, c.Keep})
				}
			},
			request: func(v *verdict, h *hit) bool {
				for way, on := range ways {
					if on {
						v.cuts[way] = append(v.cuts[way], cut{h.by, func(total int64, _ time.Duration) int64 { return c.Keep(total) }})
					}
				}
				return true
			},
		}
	}
	alter := func(f *flow, h *hit) {
		if !ways[f.way] {
			return
		}
		by, n := h.by, h.n
		f.edits = append(f.edits, byteEdit{by, func(b []byte, offset, total int64) {
			c.Apply(by.draws, n, offset, total, b)
		}})
	}
	return acts{ways: ways, message: alterMessage(&c), editsMessages: true, stream: alter, body: alter}
}
