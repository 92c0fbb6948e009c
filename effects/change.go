package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"starquake/units"
)

// A Change is something that is done to a system by the user's own means, and undone by
// them: programs, or a request. It is plain data, so that whoever reads it can undo it.
type Change struct {
	On, Off Means
	// Check is a probe that holds when the change is undone; nil: that Off went well says so.
	Check json.RawMessage
	// Within bounds the undoing, Check included.
	Within time.Duration
}

// Means are programs to run one after the other, or one request.
type Means struct {
	Run  [][]string
	Send *HTTPArgs
	// Expect are the statuses of Send that are a success; "" is 2xx.
	Expect string
}

// undoRest is for the programs that come after one that has taken all the time there is, together.
const undoRest = 5 * time.Second

// undoPause is between two tries to undo a change.
const undoPause = 250 * time.Millisecond

// CheckChange says whether all that a change would do, and undo, is permitted.
func (e *Effects) CheckChange(c *Change) error {
	var errs []error
	for _, m := range []*Means{&c.On, &c.Off} {
		for _, argv := range m.Run {
			_, err := e.exec.find(argv)
			errs = append(errs, err)
		}
		if m.Send != nil {
			errs = append(errs, e.client.network.checkURL(m.Send.URL))
		}
	}
	if len(c.Check) > 0 {
		errs = append(errs, e.checkProbe(c.Check))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Make does the change. It is not begun if it could not be undone: all of it must be
// permitted, and Check must hold before it. Once it has begun an error means that it may
// be done in part.
func (e *Effects) Make(ctx context.Context, c *Change) (begun bool, err error) {
	if err := e.CheckChange(c); err != nil {
		return false, err
	}
	if r, err := e.confirms(ctx, c); err != nil {
		return false, err
	} else if !r.OK {
		return false, fmt.Errorf("its check does not hold before it begins, so nobody could tell when it is gone: %s", r.Error)
	}
	if ctx.Err() != nil {
		return false, stopped(KindExec)
	}
	if c.On.Send != nil { // not cut short: what was given up might still arrive, after Off did
		ctx = context.WithoutCancel(ctx)
	}
	return true, e.do(ctx, &c.On, true)
}

// Unmake undoes the change, whether it was done or not, until that is confirmed or Within
// has passed, or ctx is over. The error says what to do by hand.
func (e *Effects) Unmake(ctx context.Context, c *Change) error {
	within := c.Within
	if end, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(end).Round(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	if err := e.CheckChange(c); err != nil {
		return fmt.Errorf("%w; undo it by hand: %s", err, c.Off.byHand())
	}
	var last error
	done := false
	for {
		var err error
		if !done { // what went well once is not done again while the check is waited for
			err = e.do(ctx, &c.Off, false)
			done = err == nil
		}
		if done {
			var r Reading
			if r, err = e.confirms(ctx, c); err == nil && r.OK {
				return nil
			} else if err == nil {
				err = fmt.Errorf("its check does not hold after it was undone: %s", r.Error)
			}
		}
		if ctx.Err() == nil || last == nil {
			last = err // what ends with ctx says only that it is over
		}
		wait := time.NewTimer(undoPause)
		select {
		case <-wait.C:
			continue
		case <-ctx.Done():
			wait.Stop()
		}
		return fmt.Errorf("%w; it is not confirmed undone within %s: do it by hand: %s", last, units.FormatDuration(within), c.Off.byHand())
	}
}

// confirms reads the check.
func (e *Effects) confirms(ctx context.Context, c *Change) (Reading, error) {
	if len(c.Check) == 0 || isNull(c.Check) {
		return Reading{OK: true}, nil
	}
	p, err := parseProbe(c.Check)
	if err != nil {
		return Reading{}, err
	}
	return e.look(ctx, p), nil
}

// do carries means out. What the programs leave running is what they make, or bring back.
// Those that make the change end with this process, since somebody else then undoes it; of
// those that undo it every program is run though one fails, or hangs until ctx is over.
func (e *Effects) do(ctx context.Context, m *Means, makes bool) error {
	if m.Send != nil {
		return e.send(ctx, m)
	}
	var errs []error
	for _, argv := range m.Run {
		args := ExecArgs{Argv: argv, leaves: true, endsWithUs: makes}
		within, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok && !makes {
			args.Timeout = max(DefaultExecTimeout, time.Until(end)) // the change says for how long
			if ctx.Err() != nil {
				within, cancel = context.WithTimeout(context.WithoutCancel(ctx), undoRest/time.Duration(len(m.Run)))
			}
		}
		answer := e.exec.run(within, &args)
		cancel()
		err := ran(argv, answer)
		if err != nil && makes {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ran says what is wrong with how a program ended.
func ran(argv []string, a *ExecAnswer) error {
	switch {
	case a.Error != nil:
		return a.Error
	case a.Code != 0:
		said := strings.TrimSpace(cmp.Or(a.Stderr, a.Stdout))
		if said == "" {
			return fmt.Errorf("%s ended with code %d", argv[0], a.Code)
		}
		return fmt.Errorf("%s ended with code %d: %s", argv[0], a.Code, excerpt([]byte(said)))
	}
	return nil
}

// send sends the request.
func (e *Effects) send(ctx context.Context, m *Means) error {
	expect, err := ParseStatuses(cmp.Or(m.Expect, "2xx"))
	if err != nil {
		return err
	}
	args := *m.Send
	args.Fresh, args.keepsMethod = true, true // what a redirect makes something else was not done
	a := e.fetch(ctx, &args)
	switch {
	case a.Status == 0 && a.Error != nil:
		if slices.Contains([]string{CodeRefused, CodeDNS, CodeTLS, CodeDenied, CodeInvalid}, a.Error.Code) {
			return a.Error // it was never sent
		}
		return &unansweredError{a.Error}
	case expect.Has(a.Status):
		return nil
	}
	err = fmt.Errorf("%s %s answered %d, expected %s: %s", cmp.Or(args.Method, "GET"), args.URL, a.Status, expect, excerpt(a.Bytes()))
	if a.Status == http.StatusBadGateway || a.Status == http.StatusGatewayTimeout {
		err = &unansweredError{err}
	}
	return err
}

// unansweredError is that of a request that may have been sent, and was not answered by the one
// whom it was for.
type unansweredError struct{ error }

func (e *unansweredError) Unwrap() error { return e.error }

// IsUnanswered reports whether an error of Make is of a request that was sent, as far as can be
// known, and not answered: it may still arrive.
func IsUnanswered(err error) bool {
	var u *unansweredError
	return errors.As(err, &u)
}

// byHand is the means as a person would carry them out.
func (m *Means) byHand() string {
	if m.Send != nil {
		return fmt.Sprintf("curl -X %s %s", cmp.Or(m.Send.Method, "GET"), m.Send.URL)
	}
	lines := make([]string, len(m.Run))
	for i, argv := range m.Run {
		words := make([]string, len(argv))
		for k, word := range argv {
			words[k] = word
			if word == "" || strings.ContainsAny(word, " \t\n\"'$&|;<>()*?\\#~`") {
				words[k] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
			}
		}
		lines[i] = strings.Join(words, " ")
	}
	return strings.Join(lines, "; ")
}
