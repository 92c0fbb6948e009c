package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxReason is the longest reason of a close frame.
const maxReason = maxControl - 2

// AppendClose writes a close frame to b. A reason that is too long is cut between two
// characters. masked is for the way of a client.
func AppendClose(b []byte, code int, reason string, masked bool, key [4]byte) []byte {
	for len(reason) > maxReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	payload := binary.BigEndian.AppendUint16(make([]byte, 0, maxControl), uint16(code))
	payload = append(payload, reason...)
	h := Head{Op: Close, Fin: true, Masked: masked, Length: int64(len(payload))}
	if masked {
		h.Key = key
		Mask(key, 0, payload)
	}
	return append(h.Append(b), payload...)
}
