package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/units"
)

// ControlRequest is one request to a run.
type ControlRequest struct {
	// Op is "info", "watch", "pause", "resume", "skip", "stop", "approve" or "reject".
	Op string `json:"op"`
	// Path names the step to skip; "" is the only one that runs.
	Path string `json:"path,omitempty"`
	// Question is the place of the approval to answer; "" is the only one that waits.
	Question string `json:"question,omitempty"`
	// QuestionAs is how who asks gives Question, for help; "" is the flag of the command line.
	QuestionAs string `json:"-"`
	By         string `json:"by,omitempty"`
	Comment    string `json:"comment,omitempty"`
	// Lift takes the faults off for the length of a pause.
	Lift bool `json:"lift,omitempty"`
	// Follow keeps the records coming until the run ends; without it those that there
	// are come.
	Follow bool `json:"follow,omitempty"`
}

// ControlAnswer is the answer to one.
type ControlAnswer struct {
	OK bool `json:"ok"`
	// Error says why not; the run goes on as before.
	Error string `json:"error,omitempty"`
	// Message says for people what was done.
	Message string `json:"message,omitempty"`

	ID   string `json:"id"`
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// State, Elapsed, in nanoseconds, Verdict and Reason are those of the run.
	State   view.State      `json:"state"`
	Elapsed time.Duration   `json:"elapsed"`
	Verdict journal.Verdict `json:"verdict,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	// Records is how many there are; as many follow to a "watch" without Follow.
	Records int `json:"records"`
	// Loads are the figures of the load that is on, of an "info".
	Loads []view.LoadNow `json:"loads,omitempty"`
}

// Refusal is an error that a client is told and that changes nothing.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// LeftOn is the error of a stop whose run has ended, and may have left a fault on.
type LeftOn string

func (l LeftOn) Error() string { return string(l) }

// answer carries out one request. An error means that the client is gone.
func (c *ControlSocket) answer(conn net.Conn, req *ControlRequest) error {
	if req.Op == "watch" {
		return c.watch(conn, req.Follow)
	}
	ctx, stop := c.whileHere(conn)
	message, err := c.running.Do(ctx, req)
	stop() // the answer lets the client send its next request, which is not whileHere's to read
	ans := c.running.info()
	ans.OK, ans.Message = err == nil, message
	if req.Op == "info" {
		ans.Loads = c.running.LoadsNow()
	}
	if err != nil {
		ans.Error = err.Error()
	}
	return send(conn, ans)
}

// Do asks something of the run and returns when it is a fact, with a sentence for people:
// for a stop, when the run has ended and every fault is off. The error is a Refusal where
// the run cannot do it, and LeftOn of a stop after which a fault may still be on.
func (r *Running) Do(ctx context.Context, req *ControlRequest) (string, error) {
	control := runtime.Control{Action: req.Op, Path: req.Path, By: req.By, Detail: req.Comment, Lift: req.Lift}
	state := r.info().State
	switch req.Op {
	case "info":
		return "", nil
	case "pause":
		if state == view.Paused && !req.Lift {
			return "the run is paused already", nil
		}
		return "paused", r.heeds(ctx, control)
	case "resume":
		if state == view.Running {
			return "", Refusal("the run is not paused")
		}
		return "resumed", r.heeds(ctx, control)
	case "skip":
		return "skipped", r.heeds(ctx, control)
	case "stop":
		return r.stopped(ctx, control)
	case "approve", "reject":
		return r.answered(ctx, req)
	}
	return "", Refusal(fmt.Sprintf("unknown request %q", req.Op))
}

// info is what every answer says of the run.
func (r *Running) info() ControlAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := r.keep.view()
	elapsed := run.Now
	if run.State != view.Ended && !run.Origin.IsZero() {
		elapsed = max(elapsed, run.At(time.Now()))
	}
	return ControlAnswer{
		ID: r.ID, Name: run.Name, PID: os.Getpid(), State: run.State, Elapsed: elapsed,
		Verdict: run.Verdict, Reason: run.Reason, Records: run.Counts.Events,
	}
}

// heeds asks something of the run and waits until it is a fact. A run that cannot do
// it says so in its log, right behind.
func (r *Running) heeds(ctx context.Context, c runtime.Control) error {
	ctx, cancel := context.WithTimeout(ctx, controlRecorded)
	defer cancel()
	before := r.info().Records
	if err := r.Control(c); err != nil {
		return err
	}
	var found, complaint error
	seen, asked := 0, false
	heeded := errors.New("heeded")
	found = r.Follow(ctx, func(recs []journal.Record) error {
		for _, rec := range recs {
			seen++
			if seen <= before {
				continue
			}
			switch b := rec.Body.(type) {
			case *journal.ControlBody:
				asked = asked || *b == c
				continue
			case *journal.LogBody:
				if asked && b.Level == "warn" && rec.Place == (journal.Place{Branch: "0"}) {
					complaint = Refusal(b.Message)
				}
			}
			if asked {
				return heeded
			}
		}
		if asked {
			return heeded
		}
		return nil
	})
	switch {
	case complaint != nil:
		return complaint
	case errors.Is(found, heeded):
		return nil
	case found == nil:
		return Refusal("the run ended before")
	}
	return fmt.Errorf("asked, but the run has not heeded it within %s", units.FormatDuration(controlRecorded))
}

// stopped stops the run and waits for its end: then no fault is on.
func (r *Running) stopped(ctx context.Context, c runtime.Control) (string, error) {
	if err := r.Control(c); err != nil {
		return "", Refusal(err.Error())
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	out := r.result.Outcome
	switch {
	case out.Verdict == journal.VerdictUnclean:
		return "", LeftOn("the run has ended, but a fault may still be on: " + out.Message)
	case out.Verdict != journal.VerdictStopped:
		return fmt.Sprintf("the run has ended, %s; every fault is off", out.Verdict), nil
	}
	return "stopped; every fault is off", nil
}

// answered answers an approval, and waits until the journal has the answer.
func (r *Running) answered(ctx context.Context, req *ControlRequest) (string, error) {
	waiting, err := r.questions(req.Question)
	switch {
	case err != nil:
		return "", err
	case len(waiting) > 1:
		list := ""
		for _, a := range waiting {
			list += fmt.Sprintf("\n  %s  %s", a.ID, a.Message)
		}
		return "", Refusal("several approvals are waited for; name one with " + cmp.Or(req.QuestionAs, "--question") + ":" + list)
	}
	id, before := waiting[0].ID, r.info().Records
	if err := r.Answer(id, req.Op == "approve", req.By, req.Comment); err != nil {
		return "", Refusal(err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, controlRecorded)
	defer cancel()
	heeded := errors.New("heeded")
	found := r.FollowFrom(ctx, before, func(recs []journal.Record) error {
		for _, rec := range recs {
			if end, ok := rec.Body.(*journal.EffectEndBody); !ok || rec.Place.String() != id {
				continue
			} else if end.Error != nil {
				return Refusal(fmt.Sprintf("approval %q is not waited for any more", id))
			}
			return heeded
		}
		return nil
	})
	switch {
	case found == nil:
		return "", Refusal("the run ended before")
	case !errors.Is(found, heeded) && ctx.Err() != nil:
		return "", fmt.Errorf("answered, but the run has not heeded it within %s", units.FormatDuration(controlRecorded))
	case !errors.Is(found, heeded):
		return "", found
	case req.Op == "reject":
		return "rejected: " + waiting[0].Message, nil
	}
	return "approved: " + waiting[0].Message, nil
}

// watch sends the run's records.
func (c *ControlSocket) watch(conn net.Conn, follow bool) error {
	ctx, stop := c.whileHere(conn)
	defer stop()
	ans := c.running.info()
	ans.OK = true
	if err := send(conn, ans); err != nil {
		return err
	}
	sent := 0
	enough := errors.New("enough")
	err := c.running.Follow(ctx, func(recs []journal.Record) error {
		if left := ans.Records - sent; !follow && len(recs) > left {
			recs = recs[:left]
		}
		sent += len(recs)
		if err := journal.Write(deadlined{conn}, recs); err != nil {
			return err
		}
		if !follow && sent == ans.Records {
			return enough
		}
		return nil
	})
	if err == enough {
		return nil
	}
	return err
}

// deadlined gives each write its time.
type deadlined struct{ net.Conn }

func (d deadlined) Write(p []byte) (int, error) {
	if err := d.SetWriteDeadline(time.Now().Add(controlWrite)); err != nil {
		return 0, err
	}
	return d.Conn.Write(p)
}

// whileHere is a context that ends when the client hangs up. A client says nothing
// while it waits for an answer: one that does is treated as gone. Call stop before
// the next request is read.
func (c *ControlSocket) whileHere(conn net.Conn) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	_ = conn.SetReadDeadline(time.Time{})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var one [1]byte
		_, err := conn.Read(one[:])
		for err == nil && one[0] <= ' ' { // the line's end may come after the line
			_, err = conn.Read(one[:])
		}
		var timeout net.Error
		if err == nil || !errors.As(err, &timeout) || !timeout.Timeout() {
			cancel()
		}
	}()
	return ctx, func() {
		_ = conn.SetReadDeadline(time.Now())
		<-gone
		cancel()
	}
}
