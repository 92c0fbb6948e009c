package ws

// Scanner finds frames in the bytes of one way, however they are cut into chunks. The
// zero Scanner stands at the beginning of a frame.
type Scanner struct {
	// Head is that of the frame at hand, and Offset how much of its payload has passed.
	Head   Head
	Offset int64
	// Closed: a close frame has passed, after which nothing is to come.
	Closed bool

	raw     [MaxHead]byte // the head at hand, of which n bytes are there
	n       int
	inFrame bool // the head is whole
}

// Event is what a Scanner has found.
type Event byte

// The events.
const (
	// More: all was taken, and a head is not whole yet.
	More Event = iota
	// Began: a head is whole. Nothing of its payload was taken.
	Began
	// Part: a part of a payload was taken, after which more of it follows.
	Part
	// Ended: the last part of a payload was taken, which is empty for an empty one.
	Ended
)

// Next takes n bytes off the front of b and says what they are. After Began it is to be
// called again even if b is at its end, since a payload may be empty.
func (s *Scanner) Next(b []byte) (e Event, n int, err error) {
	if s.inFrame {
		left := s.Head.Length - s.Offset
		n = int(min(left, int64(len(b))))
		s.Offset += int64(n)
		if s.Offset < s.Head.Length {
			return Part, n, nil
		}
		s.inFrame, s.n = false, 0
		s.Closed = s.Closed || s.Head.Op == Close
		return Ended, n, nil
	}
	before := s.n
	s.n += copy(s.raw[s.n:], b)
	h, size, err := ParseHead(s.raw[:s.n])
	if err != nil {
		s.n = before
		return More, 0, err
	}
	if size == 0 {
		return More, s.n - before, nil
	}
	s.Head, s.Offset, s.inFrame, s.n = h, 0, true, size
	return Began, size - before, nil
}

// Skip takes all of b, as Next would over and over.
func (s *Scanner) Skip(b []byte) error {
	for {
		_, n, err := s.Next(b)
		if err != nil {
			return err
		}
		if b = b[n:]; len(b) == 0 && !s.emptyFrame() {
			return nil
		}
	}
}

// emptyFrame reports whether a frame has begun that ends without another byte.
func (s *Scanner) emptyFrame() bool { return s.inFrame && s.Offset == s.Head.Length }

// Raw returns the bytes of the head at hand, or of what there is of it. It is valid
// until Next.
func (s *Scanner) Raw() []byte { return s.raw[:s.n] }

// AtRest reports whether the next byte begins a frame.
func (s *Scanner) AtRest() bool { return !s.inFrame && s.n == 0 }

// InHead reports whether a part of a head is there.
func (s *Scanner) InHead() bool { return !s.inFrame && s.n > 0 }
