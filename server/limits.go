package server

import (
	"fmt"
	"sync"
	"time"

	"starquake/app"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/units"
)

// Limits bound a run of somebody below admin. One that exceeds them is aborted: its faults
// go off, its clean-ups run, and the verdict says why. 0 is no limit.
type Limits struct {
	// RunTime is from the start of the run, pauses and the time in which no server was there
	// included.
	RunTime time.Duration
	// Events are the records of its journal, Branches those that go on at once.
	Events, Branches int
	// Body bounds what a request of the script sends, and what is read of an answer, in bytes.
	// What is longer is not sent: the request fails. See app.Options.
	Body int64
}

// limited is a run that has limits.
type limited struct {
	limits Limits

	mu               sync.Mutex
	run              *app.Running // nil until the run is known
	events, branches int
	ended            bool
	over             string // the limit that was exceeded first, for people
	timer            *time.Timer
}

// past counts what a run that is taken up wrote before.
func (l *limited) past(recs []journal.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, rec := range recs {
		l.count(rec)
	}
}

// record counts a record of the run. It may come before bind.
func (l *limited) record(rec journal.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(rec)
	l.look()
}

// count counts a record. The caller holds mu.
func (l *limited) count(rec journal.Record) {
	l.events++
	switch rec.Kind {
	case journal.BranchBegin:
		l.branches++
	case journal.BranchEnd:
		l.branches--
	case journal.RunEnd:
		l.ended = true
		if l.timer != nil {
			l.timer.Stop()
		}
	}
}

// bind tells which run it is.
func (l *limited) bind(r *app.Running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run = r
	if l.limits.RunTime > 0 && !l.ended {
		l.timer = time.AfterFunc(time.Until(r.About().Started.Add(l.limits.RunTime)), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.exceed(fmt.Sprintf("the run took longer than %s", units.FormatDuration(l.limits.RunTime)))
		})
	}
	if l.over != "" {
		l.abort()
	}
	l.look()
}

// look compares what was counted with the limits. The caller holds mu.
func (l *limited) look() {
	switch {
	case l.ended:
	case l.limits.Events > 0 && l.events > l.limits.Events:
		l.exceed(fmt.Sprintf("its journal has more than %d records", l.limits.Events))
	case l.limits.Branches > 0 && l.branches > l.limits.Branches:
		l.exceed(fmt.Sprintf("more than %d branches go on at once", l.limits.Branches))
	}
}

// exceed ends the run for a reason, once. The caller holds mu.
func (l *limited) exceed(why string) {
	if l.over != "" {
		return
	}
	if l.over = why; l.run != nil {
		l.abort()
	}
}

// abort asks the run to end. It may be in the middle of writing a record, so nobody waits.
func (l *limited) abort() {
	r, ask := l.run, runtime.Control{Action: runtime.ActionAbort, By: "the server's limits", Detail: l.over}
	go func() { _ = r.Control(ask) }() // it may have ended
}
