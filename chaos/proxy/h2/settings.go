package h2

import "encoding/binary"

// Settings that the relay looks at (RFC 9113, 6.5.2).
const (
	settingHeaderTableSize   = 0x1
	settingEnablePush        = 0x2
	settingInitialWindowSize = 0x4
	settingMaxFrameSize      = 0x5
)

// mostTable is the greatest table for header compression that the relay lets the two
// ends agree on: it keeps one of its own for each way. defaultTable needs no agreement.
const (
	defaultTable = 4 << 10
	mostTable    = 64 << 10
)

// settings relays SETTINGS and notes what they say about the other way, whose receiver
// sent them. It lowers what would let the ends agree on frames or tables of any size,
// and takes from the client the wish for pushes.
func (w *way) settings(h head, f []byte) error {
	first := !w.begun
	w.begun = true
	if h.flags&flagAck != 0 {
		w.pass(f)
		return nil
	}
	other := &w.r.ways[1-w.d]
	initial, pushSaid := other.initial, false
	for p := f[headLen:]; len(p) >= 6; p = p[6:] {
		value := binary.BigEndian.Uint32(p[2:])
		switch binary.BigEndian.Uint16(p) {
		case settingHeaderTableSize:
			value = min(value, mostTable)
			other.setTable(value)
		case settingEnablePush:
			if value > 1 {
				return w.broken(ProtocolError, "SETTINGS_ENABLE_PUSH %d", value)
			}
			pushSaid, value = true, 0
		case settingInitialWindowSize:
			if value > maxID {
				return w.broken(FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE %d", value)
			}
			initial = int64(value)
		case settingMaxFrameSize:
			if value < defaultMaxFrame || value >= 1<<24 {
				return w.broken(ProtocolError, "SETTINGS_MAX_FRAME_SIZE %d", value)
			}
			value = min(value, mostMaxFrame)
			// A lower one counts once it is acknowledged, which is not waited for.
			other.maxFrame = max(other.maxFrame, int(value))
		}
		binary.BigEndian.PutUint32(p[2:], value)
	}
	if !w.r.setInitialWindow(1-w.d, initial) {
		return w.broken(FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE %d makes a window too great", initial)
	}
	sink := &w.r.sinks[w.d]
	switch {
	case sink.corked:
		sink.uncork(f)
		return nil
	case !first || w.d == toClient || pushSaid:
		w.pass(f)
		return nil
	}
	b := appendHead(sink.add(), h.length+6, frameSettings, h.flags, 0)
	b = append(b, f[headLen:]...)
	sink.buf = append(b, 0, settingEnablePush, 0, 0, 0, 0)
	return nil
}

// setInitialWindow changes the windows of all streams on way d by what the initial one
// changes. It returns false if one becomes too great.
func (r *Relay) setInitialWindow(d direction, initial int64) bool {
	w := &r.ways[d]
	by := initial - w.initial
	w.initial = initial
	if by == 0 {
		return true
	}
	for _, s := range r.streams {
		if s.win[d] += by; s.win[d] > maxID {
			return false
		}
	}
	r.unblock(d)
	return true
}
