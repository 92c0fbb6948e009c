package schedule

import (
	"encoding/json"
	"testing"
	"time"
)

// TestClockWasAhead: what was missed, or met, while the clock on the wall was ahead by a day does
// not keep a schedule from its times once the clock is right again. One that is put back by an
// hour makes nothing start twice.
func TestClockWasAhead(t *testing.T) {
	for _, test := range []struct {
		name, definition string
		what             string
		ahead            time.Duration
		due              time.Duration // from now on; 0 for none
		want             []string
	}{
		{"missed", `"every":"1h"`, Missed, 24 * time.Hour, 25 * time.Hour, []string{"r1 01-01T01:00 by ann", "r2 01-01T02:00 by ann"}},
		{"met", `"every":"1h"`, Started, 24 * time.Hour, 25 * time.Hour, []string{"r1 01-01T01:00 by ann", "r2 01-01T02:00 by ann"}},
		{"once, missed", `"at":"2000-01-01T01:00:00Z"`, Missed, 24 * time.Hour, 0, []string{"r1 01-01T01:00 by ann"}},
		{"put back", `"every":"1h"`, Started, time.Hour, 2 * time.Hour, []string{"r1 01-01T02:00 by ann"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				state := w.put(test.definition).State
				now := time.Now()
				state.Last = &Outcome{Due: now.Add(test.ahead), At: now.Add(test.ahead), What: test.what}
				if state.Due = now.Add(test.due); test.due == 0 {
					state.Due = time.Time{}
				}
				w.down()
				body, err := json.Marshal(&state)
				if err == nil {
					_, err = w.st.Shelf(states).Put("s", "", body, "", now)
				}
				if err != nil {
					t.Fatal(err)
				}
				w.up()
				w.pass(150*time.Minute, false)
				w.wantStarts(test.want...)
			})
		})
	}
}
