package chaos

import (
	"math"
	"time"
)

func slicerKind() Kind {
	return Kind{
		Name:      "slicer",
		Doc:       "Cuts what is sent into small chunks, with a pause between them.",
		Protocols: append(streams(), "http", "ws"),
		Params: []ParamSpec{
			{Name: "average", Type: TypeSize, Min: 1, Max: 1 << 30, Ramp: true,
				Doc: "how large a chunk is on average"},
			{Name: "variation", Type: TypeSize, Max: 1 << 30, Ramp: true, Default: "0",
				Doc: "by how much a chunk may be larger or smaller"},
			{Name: "delay", Type: TypeDuration, Max: float64(maxDelay), Ramp: true, Default: "0",
				Doc: "the pause between two chunks"},
			directionParam("both", "which way is cut"),
		},
	}
}

// Slicer is a fault of kind slicer made ready. It has no state.
type Slicer struct {
	average, variation, delay Value
	// Request and Response say which ways are cut.
	Request, Response bool
}

// NewSlicer makes f, which is valid, ready.
func NewSlicer(f *Fault) Slicer {
	s := Slicer{average: f.Number("average"), variation: f.Number("variation"), delay: f.Number("delay")}
	s.Request, s.Response = Ways(f)
	return s
}

// Size returns the size of the n-th slice, which is at least 1.
func (s *Slicer) Size(d Draws, n uint64, elapsed time.Duration) int {
	average, variation := s.average.At(elapsed), s.variation.At(elapsed)
	return int(math.Max(1, math.Round(average+variation*(2*d.stream(streamSize, n)-1))))
}

// Delay returns the pause after a slice.
func (s *Slicer) Delay(elapsed time.Duration) time.Duration { return s.delay.Duration(elapsed) }
