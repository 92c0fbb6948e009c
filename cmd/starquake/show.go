package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"starquake/internal/lines"
	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// show shows a run as it goes on and gives what it has become. An error is one of
// the output or of the source.
func (sh *shell) show(format string, draw text.Options, src records, logs *aside) (*view.Run, error) {
	if format == formatText && sh.outTTY {
		return sh.live(draw, src, logs)
	}
	fold := view.New()
	var mu sync.Mutex // of the output
	quiet := func() {}
	if format == formatText && draw.Loads != nil {
		quiet = sh.sayLoads(draw, &mu, fold)
	}
	err := src(context.Background(), func(recs []journal.Record) error {
		mu.Lock()
		defer mu.Unlock()
		var lines bytes.Buffer
		for _, rec := range recs {
			fold.Add(rec)
			if format == formatText {
				if err := text.Event(&lines, rec, fold, text.Options{Color: draw.Color, ASCII: draw.ASCII, Unsaid: draw.Unsaid}); err != nil {
					return err
				}
			}
		}
		if format == formatNDJSON {
			return journal.Write(sh.out, recs)
		}
		logs.flush()
		_, err := sh.out.Write(lines.Bytes())
		return err
	})
	quiet() // nobody else looks at the fold any more
	return fold.Run(), err
}

// loadsEvery is how often lines tell how the load goes that is on.
const loadsEvery = 5 * time.Second

// sayLoads writes how the load goes that is on, now and then, until the function that it
// returns is called. fold is of what was shown so far; mu guards both it and the output.
func (sh *shell) sayLoads(draw text.Options, mu *sync.Mutex, fold *view.Fold) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(loadsEvery)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			loads := draw.Loads()
			mu.Lock()
			if run := fold.Run(); run.State == view.Running {
				// An output that is gone is found out by the next record.
				_ = text.LoadNow(sh.out, run.At(time.Now()), loads, text.Options{Color: draw.Color, ASCII: draw.ASCII})
			}
			mu.Unlock()
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}

// liveEvery is how often the live view asks for a new frame, which it draws if the
// time has come.
const liveEvery = 100 * time.Millisecond

// live shows the run as a tree that is redrawn in place.
func (sh *shell) live(draw text.Options, src records, logs *aside) (*view.Run, error) {
	ctx, cancel := context.WithCancel(context.Background())
	batches := make(chan []journal.Record)
	ended := make(chan error, 1)
	go func() {
		ended <- src(ctx, func(recs []journal.Record) error {
			select {
			case batches <- recs:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	logs.hold(true)
	defer logs.hold(false)
	fold := view.New()
	live := text.NewLive(sh.out, draw, sh.size)
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	stop := func(err error) (*view.Run, error) {
		cancel()
		if closeErr := live.Close(); err == nil {
			err = closeErr
		}
		return fold.Run(), err
	}
	for {
		select {
		case recs := <-batches:
			for _, rec := range recs {
				fold.Add(rec)
			}
		case <-tick.C:
		case err := <-ended:
			return stop(err)
		}
		run := fold.Run()
		if run.Origin.IsZero() {
			continue
		}
		if logs.any() {
			if err := live.Clear(); err != nil {
				return stop(err)
			}
			logs.flush()
		}
		now := run.Now
		if run.State != view.Ended {
			now = max(now, run.At(time.Now()))
		}
		if err := live.Update(run, now); err != nil {
			cancel()
			<-ended
			return stop(err)
		}
	}
}

// aside is what is said besides the run, such as the program's log. While a live view
// is on the terminal it is kept for the pauses between two frames. Whoever says something does
// not wait until it is read.
type aside struct {
	lines *lines.Writer
	mu    sync.Mutex
	kept  bytes.Buffer
	held  bool
}

func newAside(w io.Writer) *aside { return &aside{lines: lines.New(w, saidAll)} }

// maxAside bounds what is kept.
const maxAside = 1 << 20

// Write lets it be written at once, or keeps what is written for later.
func (a *aside) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.held {
		return a.lines.Write(p)
	}
	if a.kept.Len() < maxAside {
		a.kept.Write(p)
	}
	return len(p), nil
}

func (a *aside) logf(format string, args ...any) {
	fmt.Fprintf(a, "starquake: warning: %s\n", text.Clean(fmt.Sprintf(format, args...)))
}

// hold begins or ends keeping.
func (a *aside) hold(held bool) {
	a.mu.Lock()
	a.held = held
	a.release()
	a.mu.Unlock()
	a.lines.CatchUp()
}

func (a *aside) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept.Len() > 0
}

// flush lets be written what was kept, and waits until all is that was said, unless nobody
// reads it.
func (a *aside) flush() {
	a.mu.Lock()
	a.release()
	a.mu.Unlock()
	a.lines.CatchUp()
}

// close is flush at the end.
func (a *aside) close() {
	a.mu.Lock()
	a.release()
	a.mu.Unlock()
	a.lines.Flush()
}

// release lets be written what was kept. The caller holds mu.
func (a *aside) release() {
	if a.kept.Len() > 0 {
		_, _ = a.lines.Write(a.kept.Bytes()) // which never fails
		a.kept.Reset()
	}
}
