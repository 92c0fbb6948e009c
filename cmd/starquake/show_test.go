package main

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// TestShowEndsWithLoads: a run's process goes away while it is asked how its load goes, which
// takes its time. Nobody else reads what was shown when that is given back, which the race
// detector would see.
func TestShowEndsWithLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, over, gone := make(chan struct{}), make(chan struct{}), errors.New("its process is gone")
		draw := text.Options{Loads: func() []view.LoadNow {
			close(asked)
			<-over
			return nil
		}}
		sh := &shell{out: new(bytes.Buffer), err: new(bytes.Buffer)}
		run, err := sh.show(formatText, draw, func(_ context.Context, fn func([]journal.Record) error) error {
			root := journal.Place{Branch: "0"}
			if err := fn([]journal.Record{{Kind: journal.RunBegin, Place: root, Body: &journal.RunBeginBody{Name: "x", World: "real", Origin: time.Now()}}}); err != nil {
				return err
			}
			<-asked
			if err := fn([]journal.Record{{At: loadsEvery, Kind: journal.Timer, Place: root}}); err != nil {
				return err
			}
			close(over)
			return gone
		}, newAside(sh.err))
		if err != gone || run.Now != loadsEvery {
			t.Errorf("it stands at %s, error %v", run.Now, err)
		}
	})
}

// TestSummaryApart: behind a live view the summary begins after an empty line, else at once.
func TestSummaryApart(t *testing.T) {
	for _, tty := range []bool{true, false} {
		var out bytes.Buffer
		sh := &shell{out: &out, err: new(bytes.Buffer), outTTY: tty}
		if err := sh.close(formatText, "id", viewtest.New("x", "real").Pass().Run(), text.Options{}); err != nil {
			t.Fatal(err)
		}
		if apart := bytes.HasPrefix(out.Bytes(), []byte("\n")); apart != tty {
			t.Errorf("on a terminal %v:\n%s", tty, &out)
		}
	}
}
