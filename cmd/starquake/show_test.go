package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// TestAside: what is said during a live view comes between its frames and in order, and nobody
// who says something waits for who reads it.
func TestAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		logs := newAside(w)
		say := func(what string) { fmt.Fprintln(logs, what) }
		say("before")
		logs.hold(true) // which waits for two seconds, in vain
		say("during")
		if !logs.any() {
			t.Error("it is not kept")
		}
		logs.flush()
		say("later")
		logs.hold(false)
		say("after")
		began := time.Now()
		logs.flush()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it waits for %s once more", waited)
		}
		var got bytes.Buffer
		go func() { _, _ = io.Copy(&got, r) }()
		logs.close()
		synctest.Wait() // the reader has it
		if got.String() != "before\nduring\nlater\nafter\n" {
			t.Errorf("said %q", &got)
		}
		w.Close()
	})
}
