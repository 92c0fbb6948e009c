package chaos

// corruptions are the kinds of corruption.
func corruptions() []string { return []string{"random_bytes", "truncate", "bit_flip"} }

func corruptKind() Kind {
	return Kind{
		Name: "corrupt",
		Doc: "Changes a body, or the bytes of a stream. random_bytes and bit_flip keep its length; " +
			"truncate cuts it short, with the length that was announced.",
		Protocols: append(streams(), "http", "ws"),
		Params: []ParamSpec{
			{Name: "kind", Type: TypeString, Choices: corruptions(),
				Doc: "random_bytes: some bytes are others; truncate: the second half is missing; bit_flip: single bits are turned"},
			{Name: "direction", Type: TypeString, Default: `"response"`, Choices: []string{"request", "response", "both"},
				Doc: "what is changed"},
		},
	}
}

// Corrupt is a fault of kind corrupt or ws_corrupt made ready. It has no state.
type Corrupt struct {
	kind string
	// Request and Response say which ways are changed.
	Request, Response bool
}

// NewCorrupt makes f, which is valid, ready.
func NewCorrupt(f *Fault) Corrupt {
	c := Corrupt{kind: f.Text("kind")}
	c.Request, c.Response = Ways(f)
	return c
}

// Truncates reports whether a message is cut short by Keep rather than changed by Apply.
func (c *Corrupt) Truncates() bool { return c.kind == "truncate" }

// Keep returns how many of total bytes are sent. Of a message that is not truncated
// these are all. Of a stream without messages total is the length of a chunk.
func (c *Corrupt) Keep(total int64) int64 {
	if c.Truncates() {
		return total / 2
	}
	return total
}

// One byte of so many is changed: often enough to be noticed, seldom enough to look
// like an accident.
const (
	randomEvery = 16
	flipEvery   = 64
)

// Apply changes a chunk of the n-th message in place. offset is the chunk's place in
// the message and total the message's length, or -1 if that is not known. What is
// changed does not depend on how a message falls into chunks, and at least one byte of
// a message is.
func (c *Corrupt) Apply(d Draws, n uint64, offset, total int64, chunk []byte) {
	every := int64(randomEvery)
	switch c.kind {
	case "truncate":
		return
	case "bit_flip":
		every = flipEvery
	}
	own := d.within(streamBytes, n)
	end := offset + int64(len(chunk))
	for block := offset / every; block*every < end; block++ {
		place := block*every + own.place(uint64(block), every, total)
		if place < offset || place >= end {
			continue
		}
		draw := own.stream(streamPick, uint64(block))
		if c.kind == "bit_flip" {
			chunk[place-offset] ^= 1 << int(draw*8)
		} else {
			chunk[place-offset] ^= byte(1 + int(draw*255)) // never 0, so that it is another byte
		}
	}
}

// place returns which byte of a block is changed. It lies within the message where
// that ends in its first block, which is the only one that has to be hit.
func (d Draws) place(block uint64, every, total int64) int64 {
	size := every
	if block == 0 {
		switch {
		case total < 0:
			return 0
		case total < every:
			size = max(1, total)
		}
	}
	return int64(d.stream(streamSize, block) * float64(size))
}
