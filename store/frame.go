package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The frames of the write-ahead log. Each is
//
//	length  uint32, little endian: of all that follows the checksum
//	sum     uint32: CRC-32C of all that follows it
//	kind    one byte
//	n       one byte: length of the run's id
//	id      n bytes
//	offset  uint64: where in the run's journal the payload stands; 0 for an info
//	payload
//
// A frame that is cut short or whose sum is wrong ends its log: it was being written
// when the machine stopped, and nobody was told that it is kept.

const (
	frameHead = 8
	frameMin  = 1 + 1 + 8
	// maxFrame bounds a frame that is read, so that a damaged length allocates nothing.
	// It is above what a turn may record.
	maxFrame = 256 << 20
)

type frameKind byte

const (
	frameInfo    frameKind = 1 // the payload is an Info
	frameRecords frameKind = 2 // the payload is lines of the journal
)

// frame is one frame; its payload is part of the buffer that it was read from.
type frame struct {
	kind    frameKind
	run     string
	offset  int64
	payload []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// beginFrame appends the head of a frame to dst; the payload follows, then endFrame,
// which is told where the frame began.
func beginFrame(dst []byte, kind frameKind, run string, offset int64) []byte {
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(kind), byte(len(run)))
	dst = append(dst, run...)
	return binary.LittleEndian.AppendUint64(dst, uint64(offset))
}

// endFrame fills in length and sum of the frame that begins at start.
func endFrame(b []byte, start int) {
	body := b[start+frameHead:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
}

// errTorn says that the log ends in the middle of a frame.
var errTorn = errors.New("the frame is torn")

// readFrame reads the frame at the beginning of b and returns how long it is.
func readFrame(b []byte) (f frame, size int, err error) {
	if len(b) < frameHead {
		return f, 0, errTorn
	}
	length := binary.LittleEndian.Uint32(b)
	if length < frameMin || length > maxFrame || int(length) > len(b)-frameHead {
		return f, 0, errTorn
	}
	body := b[frameHead : frameHead+int(length)]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return f, 0, errTorn
	}
	n := int(body[1])
	if len(body) < frameMin+n {
		return f, 0, fmt.Errorf("a frame of %d bytes has an id of %d", len(body), n)
	}
	f.kind, f.run = frameKind(body[0]), string(body[2:2+n])
	f.offset = int64(binary.LittleEndian.Uint64(body[2+n:]))
	f.payload = body[frameMin+n:]
	switch {
	case f.kind != frameInfo && f.kind != frameRecords:
		return f, 0, fmt.Errorf("a frame has the unknown kind %d", f.kind)
	case f.offset < 0:
		return f, 0, fmt.Errorf("a frame has the offset %d", f.offset)
	}
	if err := checkID(f.run); err != nil {
		return f, 0, err
	}
	return f, frameHead + int(length), nil
}
