package main

import (
	"context"
	"io"
	"net/url"
	"strconv"

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
func (f *keeperFlags) read(name string) (id, status string, run *view.Run, err error) {
	if f.BaseURL == "" {
		s, id, err := f.find(name)
		if err != nil {
			return "", "", nil, err
		}
		defer s.Close()
		e, recs, err := s.Read(id)
		if err != nil {
			return "", "", nil, errored("%w", err)
		}
		return id, string(e.Status), view.Of(recs), nil
	}
	ctx, stop := interruptible()
	defer stop()
	c, id, err := f.onServer(ctx, name)
	if err != nil {
		return "", "", nil, err
	}
	now, err := c.Status(ctx, id)
	fold := view.New()
	if err == nil {
		err = c.Records(ctx, id, func(recs []journal.Record) error {
			for _, rec := range recs {
				fold.Add(rec)
			}
			return nil
		})
	}
	return id, now.Status, fold.Run(), refusedBy(err, "", nil)
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
		if runs, err = s.Runs(filter); err != nil {
			return nil, "", errored("%w", err)
		}
		return runs, s.Dir(), nil
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

// maxPage is the most that a server gives at once.
const maxPage = 500

// entry is a run of a server as a data folder would list it.
func entry(r *server.Run) store.Entry {
	e := store.Entry{Status: store.Status(r.Status)}
	e.ID, e.Name, e.Started, e.Labels, e.By = r.ID, r.Name, r.Started, r.Labels, r.By
	e.Seed, _ = strconv.ParseUint(r.Seed, 10, 64) // 0 for one that has not begun
	if r.Ended != nil {
		e.End = &store.End{Verdict: r.Verdict, Reason: r.Reason, Message: r.Message, Duration: seconds(r.ElapsedSeconds)}
	}
	return e
}
