package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Opcode says what a frame is (RFC 6455, 5.2).
type Opcode byte

// The opcodes there are.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xa
)

// IsControl reports whether frames of this kind stand between those of messages.
func (o Opcode) IsControl() bool { return o&0x8 != 0 }

// The bits of the first byte besides the opcode.
const (
	finBit = 0x80
	// Compressed is the bit by which permessage-deflate marks the first frame of a
	// message (RSV1); the other two belong to no extension that is known here.
	Compressed   = 0x40
	reservedBits = 0x70
)

// Head is the head of a frame.
type Head struct {
	Op       Opcode
	Fin      bool // it ends its message
	Reserved byte // Compressed and the other two bits
	Masked   bool
	Key      [4]byte // if Masked
	Length   int64   // of the payload
}

// MaxHead is the longest head.
const MaxHead = 14

// maxControl is the longest payload of a control frame.
const maxControl = 125

// errShort says that a head is not whole.
var errShort = errors.New("the head of a frame is not whole")

// ParseHead reads the head at the front of b and returns how many bytes it takes; 0 if
// it is not whole. What no reader can take for a frame is an error.
func ParseHead(b []byte) (h Head, n int, err error) {
	h, n, err = parseHead(b)
	if err == errShort {
		return Head{}, 0, nil
	}
	return h, n, err
}

func parseHead(b []byte) (h Head, n int, err error) {
	if len(b) < 2 {
		return h, 0, errShort
	}
	h = Head{Op: Opcode(b[0] & 0x0f), Fin: b[0]&finBit != 0, Reserved: b[0] & reservedBits,
		Masked: b[1]&0x80 != 0, Length: int64(b[1] & 0x7f)}
	n = 2
	switch h.Length {
	case 126:
		if len(b) < n+2 {
			return h, 0, errShort
		}
		h.Length = int64(binary.BigEndian.Uint16(b[n:]))
		n += 2
	case 127:
		if len(b) < n+8 {
			return h, 0, errShort
		}
		length := binary.BigEndian.Uint64(b[n:])
		if length > math.MaxInt64 {
			return h, 0, fmt.Errorf("the length of a frame is %#x; the highest bit must be 0", length)
		}
		h.Length = int64(length)
		n += 8
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0, errShort
		}
		h.Key = [4]byte(b[n:])
		n += 4
	}
	if h.Op.IsControl() && (!h.Fin || h.Length > maxControl) {
		return h, 0, fmt.Errorf("a control frame of opcode %#x has %d bytes, fin %t; expected at most %d in one frame", byte(h.Op), h.Length, h.Fin, maxControl)
	}
	return h, n, nil
}

// Append writes h to b, its length in the shortest form.
func (h Head) Append(b []byte) []byte {
	first, second := byte(h.Op)|h.Reserved, byte(0)
	if h.Fin {
		first |= finBit
	}
	if h.Masked {
		second = 0x80
	}
	switch {
	case h.Length <= maxControl:
		b = append(b, first, second|byte(h.Length))
	case h.Length <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, first, second|126), uint16(h.Length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, second|127), uint64(h.Length))
	}
	if h.Masked {
		b = append(b, h.Key[:]...)
	}
	return b
}

// Mask masks or unmasks b in place, which begins at offset of a payload.
func Mask(key [4]byte, offset int64, b []byte) {
	if key == [4]byte{} {
		return
	}
	for len(b) > 0 && offset&3 != 0 {
		b[0] ^= key[offset&3]
		b = b[1:]
		offset++
	}
	word := binary.LittleEndian.Uint32(key[:])
	double := uint64(word)<<32 | uint64(word)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^double)
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}
