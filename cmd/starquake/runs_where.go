package main

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/server"
	"starquake/server/client"
	"starquake/store"
)

// keeperFlags name what keeps runs: the data folder, or the server that is named.
type keeperFlags struct {
	dataFlag
	serverFlags
}

// exporter finds a run and gives what writes it as JSON lines; done is called behind it.
func (f *keeperFlags) exporter(name string) (export func(io.Writer) error, done func(), err error) {
	if f.BaseURL == "" {
		s, id, err := f.find(name)
		if err != nil {
			return nil, nil, err
		}
		return func(w io.Writer) error { return s.Export(id, w) }, func() { _ = s.Close() }, nil
	}
	ctx, stop := interruptible()
	c, id, err := f.onServer(ctx, name)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return func(w io.Writer) error { return refusedBy(c.Journal(ctx, id, w), "", nil) }, stop, nil
}

// read finds a run and gives it as it stands.
func (f *keeperFlags) read(name string) (*store.Entry, *view.Run, error) {
	if f.BaseURL == "" {
		s, id, err := f.find(name)
		if err != nil {
			return nil, nil, err
		}
		defer s.Close()
		e, recs, err := s.Read(id)
		if err != nil {
			return nil, nil, errored("%w", err)
		}
		return &e, app.ViewOf(&e, recs), nil
	}
	ctx, stop := interruptible()
	defer stop()
	c, id, err := f.onServer(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	now, err := c.Status(ctx, id)
	if err != nil {
		return nil, nil, refusedBy(err, "", nil)
	}
	if now.Status == "queued" { // it has no journal yet
		e := entry(&now)
		return &e, app.ViewOf(&e, nil), nil
	}
	e, recs, err := download(ctx, c, &now)
	if err != nil {
		return nil, nil, err
	}
	return e, app.ViewOf(e, recs), nil
}

// download gives the records of a run of a server that stood so before: one that ends
// meanwhile has its end in them.
func download(ctx context.Context, c *client.Client, was *server.Run) (*store.Entry, []journal.Record, error) {
	var file bytes.Buffer
	if err := c.Journal(ctx, was.ID, &file); err != nil {
		return nil, nil, refusedBy(err, "", nil)
	}
	kept, recs, err := store.ReadFile(&file)
	if err != nil {
		return nil, nil, invalid("the journal of run %s: %w", was.ID, err)
	}
	e := entry(was)
	if kept.ID != "" { // a server that keeps nothing gives the journal alone
		e.Info = kept.Info
	}
	e.Cleaned = kept.Cleaned
	return &e, recs, nil
}

// onServer finds a run on the server that is named.
func (f *serverFlags) onServer(ctx context.Context, name string) (*client.Client, string, error) {
	c, err := f.client()
	if err != nil {
		return nil, "", err
	}
	id, err := onServer(ctx, c, name)
	return c, id, refusedBy(err, "", nil)
}

// list gives the runs that fit, the newest first, and where they are.
func (f *keeperFlags) list(filter store.Filter) (runs []store.Entry, where string, err error) {
	if f.BaseURL == "" {
		s, err := f.openStore()
		if err != nil {
			return nil, "", err
		}
		defer s.Close()
		waiting, err := server.Waiting(s) // before the runs: one that begins meanwhile is among them
		if err == nil {
			runs, err = s.Runs(filter)
		}
		if err != nil {
			return nil, "", errored("%w", err)
		}
		return among(runs, waiting, &filter), s.Dir(), nil
	}
	c, err := f.client()
	if err != nil {
		return nil, "", err
	}
	ctx, stop := interruptible()
	defer stop()
	q := url.Values{"limit": {strconv.Itoa(maxPage)}}
	for name, value := range map[string]string{"status": string(filter.Status), "verdict": string(filter.Verdict), "name": filter.Name} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, value := range filter.Labels {
		q.Add("label", name+"="+value)
	}
	for {
		if left := filter.Limit - len(runs); filter.Limit > 0 && left < maxPage {
			q.Set("limit", strconv.Itoa(left))
		}
		page, err := c.Runs(ctx, q)
		if err != nil {
			return nil, "", refusedBy(err, "", nil)
		}
		for i := range page.Runs {
			runs = append(runs, entry(&page.Runs[i].Run))
		}
		if page.Next == "" || len(runs) == filter.Limit {
			return runs, c.URL(), nil
		}
		q.Set("cursor", page.Next)
	}
}

// among puts what waits for its turn among runs.
func among(runs, waiting []store.Entry, filter *store.Filter) []store.Entry {
	for i := range waiting {
		begun := slices.ContainsFunc(runs, func(e store.Entry) bool { return e.ID == waiting[i].ID })
		if !begun && filter.Fits(&waiting[i]) {
			runs = append(runs, waiting[i])
		}
	}
	slices.SortStableFunc(runs, func(a, b store.Entry) int { return strings.Compare(b.ID, a.ID) })
	if filter.Limit > 0 {
		runs = runs[:min(len(runs), filter.Limit)]
	}
	return runs
}

// maxPage is the most that a server gives at once.
const maxPage = 500

// entry is a run of a server as a data folder would list it.
func entry(r *server.Run) store.Entry {
	e := store.Entry{Status: store.Status(r.Status)}
	e.ID, e.Name, e.Started, e.Labels, e.By = r.ID, r.Name, r.Started, r.Labels, r.By
	e.Seed, _ = strconv.ParseUint(r.Seed, 10, 64) // 0 for one that has not begun
	if r.Ended != nil {
		e.End = &store.End{Verdict: r.Verdict, Reason: r.Reason, Message: r.Message}
		if r.Seed != "" { // else it never began: that it waited is not how long it took
			e.End.Duration = r.Ended.Sub(r.Started)
		}
	}
	return e
}
