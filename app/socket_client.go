package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/store"
)

// remotePatience is how long a run may take to answer a connection at all.
const remotePatience = 10 * time.Second

// Remote is a run of another process, through its control socket. It is for one
// request at a time.
type Remote struct {
	ID   string
	conn net.Conn
	dec  *json.Decoder
}

// LiveRuns are the ids of the runs below the folder for data that go on and can be
// controlled, oldest first.
func LiveRuns(data string) ([]string, error) { return heldRuns(data, true) }

// heldRuns are the ids of the runs that a process holds, oldest first: those with a socket,
// or the others, which are a server's.
func heldRuns(data string, socket bool) ([]string, error) {
	runs := filepath.Join(data, runsName)
	entries, err := os.ReadDir(runs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var held []string
	for _, e := range entries { // sorted by name, which is by time
		dir := filepath.Join(runs, e.Name())
		if _, err := os.Lstat(filepath.Join(dir, socketName)); (err == nil) != socket || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if locked, err := isLocked(filepath.Join(dir, lockName)); err == nil && locked {
			held = append(held, e.Name())
		}
	}
	return held, nil
}

// ErrNoneLive says that no run of this machine goes on outside of a server.
var ErrNoneLive = errors.New("no run is going on")

// ServedError says that what is looked for goes on in a server of the data folder, or waits
// there for its turn.
type ServedError struct {
	// IDs are the runs that are meant, or may be.
	IDs []string
	// URL is the server's, where the data folder has it.
	URL string
}

func (e *ServedError) Error() string {
	what := "run " + e.IDs[0] + " is"
	if n := len(e.IDs); n > 1 {
		what = fmt.Sprintf("%d runs are", n)
	}
	flag := "--base-url URL, its address"
	if e.URL != "" {
		flag = "--base-url " + e.URL
	}
	what += " a server's, which is asked with " + flag
	if n := len(e.IDs); n > 1 {
		what += ":\n  " + strings.Join(e.IDs[:min(n, maxDescribed)], "\n  ")
		if n > maxDescribed {
			what += fmt.Sprintf("\n  and %d more", n-maxDescribed)
		}
	}
	return what
}

// servedBy finds what a person means who writes prefix among the runs that go on in servers
// of the data folder, and those that wait there for their turn. The error is nil where there
// is nothing.
func servedBy(data, prefix string) error {
	ids, err := heldRuns(data, false)
	if err != nil {
		return err
	}
	queue := store.ShelfIn(data, store.Queue)
	waiting, damaged, err := queue.Readable()
	if err != nil {
		return err
	}
	for i := range damaged { // of which the server tells, too
		ids = append(ids, damaged[i].Name)
	}
	for i := range waiting {
		ids = append(ids, waiting[i].Name)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids) // one may begin just now
	if prefix == "last" && len(ids) > 0 {
		ids = ids[len(ids)-1:]
	} else {
		ids = slices.DeleteFunc(ids, func(id string) bool { return !strings.HasPrefix(id, prefix) })
	}
	if len(ids) == 0 {
		return nil
	}
	url, err := queue.Owner()
	if err != nil {
		return err
	}
	return &ServedError{ids, url}
}

// FindRun gives the id of the one run that goes on, or of the one whose id begins
// with prefix; of "last" that which began last. Of one that only a server can answer for
// the error is a ServedError.
func FindRun(ctx context.Context, data, prefix string) (string, error) {
	live, err := LiveRuns(data)
	if err != nil {
		return "", err
	}
	if prefix == "last" && len(live) > 0 {
		return live[len(live)-1], nil
	}
	var found []string
	for _, id := range live {
		if id == prefix {
			return id, nil
		}
		if strings.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	if len(found) == 0 {
		if err := servedBy(data, prefix); err != nil {
			return "", err
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(live) == 0:
		return "", fmt.Errorf("%w (data folder %s)", ErrNoneLive, data)
	case len(found) == 0:
		return "", fmt.Errorf("no run whose id begins with %q is going on; going on:%s", prefix, describeRuns(ctx, data, live))
	case prefix == "":
		return "", fmt.Errorf("%d runs are going on; name one by its id, or the beginning of it:%s", len(found), describeRuns(ctx, data, found))
	}
	return "", fmt.Errorf("%q is the beginning of %d ids:%s", prefix, len(found), describeRuns(ctx, data, found))
}

// maxDescribed bounds a list of runs.
const maxDescribed = 50

// describeRuns is a line for each run.
func describeRuns(ctx context.Context, data string, ids []string) string {
	var b strings.Builder
	for i, id := range ids {
		if i == maxDescribed {
			fmt.Fprintf(&b, "\n  and %d more", len(ids)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s", id)
		if ans, err := ask(ctx, data, id); err == nil {
			fmt.Fprintf(&b, "  %s, %s for %s", ans.Name, ans.State, ans.Elapsed.Round(time.Second))
		}
	}
	return b.String()
}

func ask(ctx context.Context, data, id string) (ControlAnswer, error) {
	r, err := DialRun(ctx, data, id)
	if err != nil {
		return ControlAnswer{}, err
	}
	defer r.Close()
	return r.Do(ctx, ControlRequest{Op: "info"})
}

// DialRun connects to a run that goes on.
func DialRun(ctx context.Context, data, id string) (*Remote, error) {
	path, release, err := shortPath(filepath.Join(data, runsName, id))
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	defer release()
	d := net.Dialer{Timeout: remotePatience}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("run %s cannot be reached: %w", id, err)
	}
	return &Remote{ID: id, conn: conn, dec: json.NewDecoder(conn)}, nil
}

// Close hangs up.
func (r *Remote) Close() error { return r.conn.Close() }

// Do makes one request and waits for its answer. What the run refuses is an error,
// with the answer.
func (r *Remote) Do(ctx context.Context, req ControlRequest) (ControlAnswer, error) {
	defer context.AfterFunc(ctx, func() { _ = r.conn.SetDeadline(time.Now()) })()
	patience := time.Now().Add(remotePatience + controlRecorded)
	if req.Op == "stop" { // until the end of the run
		patience = time.Time{}
	}
	var ans ControlAnswer
	err := r.conn.SetReadDeadline(patience)
	if err == nil {
		err = send(r.conn, req)
	}
	if err == nil {
		err = r.dec.Decode(&ans)
	}
	switch {
	case ctx.Err() != nil:
		return ans, ctx.Err()
	case errors.Is(err, io.EOF):
		return ans, fmt.Errorf("run %s ended before it answered", r.ID)
	case err != nil:
		return ans, fmt.Errorf("run %s does not answer: %w", r.ID, err)
	case !ans.OK:
		return ans, &RefusedError{ID: r.ID, Message: ans.Error}
	}
	return ans, nil
}

// RefusedError is what a run answers that will not do what it was asked.
type RefusedError struct{ ID, Message string }

func (e *RefusedError) Error() string { return "run " + e.ID + ": " + e.Message }

// Watch calls fn with the run's records from the first: with follow to the end of the
// run, else those that there are. The run's process ending without the run's end is
// an error.
func (r *Remote) Watch(ctx context.Context, follow bool, fn func([]journal.Record) error) error {
	ans, err := r.Do(ctx, ControlRequest{Op: "watch", Follow: follow})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = r.conn.SetDeadline(time.Now()) })()
	if err := r.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for n := 0; follow || n < ans.Records; n++ {
		var rec journal.Record
		if err := r.dec.Decode(&rec); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("run %s: its process is gone without having said how it ended: %w", r.ID, err)
		}
		if err := fn([]journal.Record{rec}); err != nil {
			return err
		}
		if rec.Kind == journal.RunEnd {
			return nil
		}
	}
	return nil
}
