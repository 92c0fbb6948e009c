package store

import (
	"bytes"
	"strings"
	"testing"

	"starquake/runtime/journal"
)

// FuzzFrames: whatever a log holds, reading it ends, and what it takes for frames are
// frames.
func FuzzFrames(f *testing.F) {
	one := beginFrame([]byte(walMagic), frameInfo, "run-1", 0)
	one = append(one, "{}"...)
	endFrame(one, len(walMagic))
	f.Add(one)
	f.Add([]byte(walMagic))
	f.Fuzz(func(t *testing.T, text []byte) {
		runs, left := readFrames(text)
		again := []byte(walMagic)
		for _, r := range runs {
			for _, fr := range r.frames {
				at := len(again)
				again = append(beginFrame(again, fr.kind, fr.run, fr.offset), fr.payload...)
				endFrame(again, at)
			}
		}
		if len(runs) == 1 && !bytes.Equal(again, text[:len(text)-left]) {
			t.Fatalf("read and written again %q became %q", text[:len(text)-left], again)
		}
	})
}

// FuzzJournal: whatever a journal holds, what is read of it is what stands there.
func FuzzJournal(f *testing.F) {
	_, begin := started("run-1")
	var b bytes.Buffer
	if err := journal.Write(&b, []journal.Record{begin, slept(1), ended}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String())
	f.Add(b.String() + "\x00\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		recs, size, err := readJournal(strings.NewReader(text))
		if err != nil {
			return
		}
		if int(size) > len(text) || strings.Count(text[:size], "\n") != len(recs) {
			t.Fatalf("%d records in %d of %d bytes", len(recs), size, len(text))
		}
	})
}
