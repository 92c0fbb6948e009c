package server

import (
	"log/slog"
	"testing"

	"starquake/store"
)

// TestKilledAtTheEnd: a run whose script's process is killed while the server ends is let go of for
// the next server, and does not end.
func TestKilledAtTheEnd(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	m, err := newManager(&Config{Store: st}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for range maxRevivals {
		if !m.revives("x") {
			t.Error("it is not taken up again")
		}
	}
	if m.revives("x") {
		t.Error("what is killed again and again is no accident")
	}
	if err := m.park(patient(t)); err != nil {
		t.Fatal(err)
	}
	if !m.revives("x") {
		t.Error("it ends with the server")
	}
}
