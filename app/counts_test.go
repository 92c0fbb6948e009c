package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starquake/app"
	"starquake/chaos"
	"starquake/internal/porttest"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// killedAt is a store that has the run as it would have been left by a kill right after
// the first record that fits.
func killedAt(t *testing.T, r *app.Running, what string, fits func(journal.Record) bool) *store.Store {
	t.Helper()
	n := 0
	seen(t, r, what, func(rec journal.Record) bool { n++; return fits(rec) })
	recs := r.Records(0)[:n]
	_ = r.Control(runtime.Control{Action: runtime.ActionStop}) // what it held goes with its process
	r.Wait()
	st := newStore(t)
	kept, err := st.Create(store.Info{ID: r.ID, Name: "t", Script: "t.star"})
	if err == nil {
		err = kept.Append(recs)
	}
	if err == nil {
		err = kept.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// recovered takes up the run that killedAt has left; the test stops it at the latest.
func recovered(t *testing.T, st *store.Store, id string) *app.Running {
	t.Helper()
	r, err := app.Recover(id, false, app.RunOptions{Store: st, CanApprove: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Control(runtime.Control{Action: runtime.ActionStop})
		r.Wait()
	})
	return r
}

// counted is a record in which a fault tells that it is on and has met so many requests,
// in a run that was taken up so many times.
func counted(met uint64, times int) func(journal.Record) bool {
	return func(rec journal.Record) bool {
		if c, ok := rec.Body.(*journal.ControlBody); ok && c.Action == runtime.ActionRecover {
			times--
		}
		note, ok := rec.Body.(*journal.EffectNoteBody)
		if !ok || times != 0 || !strings.Contains(string(note.Data), `"on":true`) {
			return false
		}
		var s chaos.Stats
		return json.Unmarshal(note.Data, &s) == nil && s.Seen == met
	}
}

// TestCountsGoOn: the requests that meet a fault have the numbers, and with them the draws,
// that they would have had if its process had not died, and its counts have what was before.
func TestCountsGoOn(t *testing.T) {
	t.Parallel()
	const requests, first = 40, 17
	for name, fault := range map[string]string{
		"probability": `fault.http_error([503], probability = 0.5)`,
		"every":       `fault.http_error([503], match = fault.match(every = 3))`,
		"first":       `fault.http_error([503], match = fault.match(after = 10, first = 20))`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			listen := porttest.Free(t)
			script := fmt.Sprintf(`
p = proxy("p", listen = %q, upstream = %q, protocol = "http")
def main():
    f = apply_chaos(%s, on = p)
    log("on")
    wait_until(lambda: f.stats().seen >= %d, "10m", every = "20ms")
    record("seen", f.stats().seen)
    record("hit", f.stats().hit)
`, listen, s.Listener.Addr(), fault, requests)
			ask := func(n int) (got string) {
				for range n {
					got += map[int]string{200: ".", 503: "x"}[status(t, "http://"+listen)]
				}
				return got
			}
			opt := app.RunOptions{}
			opt.Seed = new(uint64(7))
			r := begin(t, script, opt)
			said(t, r, "on")
			want := ask(requests)
			finish(t, r, journal.VerdictPassed)

			r = begin(t, script, opt)
			said(t, r, "on")
			got := ask(first)
			st := killedAt(t, r, "its counts", counted(first, 0))
			r = recovered(t, st, r.ID)
			// It is killed once more when it is on again, and has met nothing since.
			st = killedAt(t, r, "its counts when it is on again", counted(first, 1))
			r = recovered(t, st, r.ID)
			seen(t, r, "the fault, on again", counted(first, 2))
			got += ask(requests - first)
			res := finish(t, r, journal.VerdictPassed)
			if want != got {
				t.Errorf("the hits of a run that was killed after %d requests differ:\n%s\n%s: of one that was not", first, got, want)
			}
			hits := strings.Count(want, "x")
			if diff := cmp.Diff(map[string]float64{"seen": requests, "hit": float64(hits)}, figures(res)); diff != "" {
				t.Errorf("its counts (-want +got):\n%s", diff)
			}
			if f := res.View.Faults[0]; f.Seen != requests || f.Hit != int64(hits) {
				t.Errorf("the view has seen %d, hit %d", f.Seen, f.Hit)
			}
			entry, recs, err := st.Read(r.ID)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := app.Replay(entry.Info, recs, nil); err != nil || again.Differs != nil || !again.Ended {
				t.Errorf("it does not replay: %v, %+v", err, again)
			}
		})
	}
}

// TestCountsInAPause: a fault tells its counts also while nothing else is written down.
func TestCountsInAPause(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := begin(t, s.prelude()+`
def main():
    apply_chaos(fault.http_error([503]), on = p)
    log("on")
    sleep("1h")
`, app.RunOptions{})
	said(t, r, "on")
	if err := r.Control(runtime.Control{Action: runtime.ActionPause}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pause", func() bool { return r.View().Pause != nil })
	url := proxied(t, r)
	for range 3 {
		status(t, url)
	}
	seen(t, r, "its counts", counted(3, 0))
	if v := r.View(); v.Pause == nil || v.Faults[0].Hit != 3 {
		t.Errorf("paused: %v, fault: %+v", v.Pause, v.Faults[0])
	}
}

// TestCountsOfAParkedRun: a run that its server lets go of in order loses no count.
func TestCountsOfAParkedRun(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := newStore(t)
	prelude := strings.Replace(s.prelude(), "127.0.0.1:0", porttest.Free(t), 1) // where it listens again
	r := begin(t, prelude+`
def main():
    apply_chaos(fault.http_error([503], match = fault.match(every = 3)), on = p)
    log("on")
    sleep("1h")
`, app.RunOptions{Store: st})
	said(t, r, "on")
	url := proxied(t, r)
	got := []int{status(t, url), status(t, url)}
	if err := r.Park(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = recovered(t, st, r.ID)
	seen(t, r, "the fault, on again", counted(2, 1))
	got = append(got, status(t, url))
	if diff := cmp.Diff([]int{200, 200, 503}, got); diff != "" {
		t.Errorf("every third (-want +got):\n%s", diff)
	}
}

// TestCountsUnknown: what met a fault between its last report and a crash is in no count, so
// that too few hits say nothing of how many there were, and no count is called the whole.
func TestCountsUnknown(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]string{
		"step":        `step("slow", body, chaos = fault.latency("1ms"), on = p, min_hits = 5)`,
		"apply_chaos": `step("slow", lambda: [apply_chaos(fault.latency("1ms"), on = p, min_hits = 5), body()])`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			r := begin(t, fmt.Sprintf(`
p = proxy("p", listen = %q, upstream = %q, protocol = "http")

def body():
    http.get("http://" + p.listen)
    log("asked")
    sleep("1s")

def main():
    guard("safe", lambda: True)
    %s
`, porttest.Free(t), s.Listener.Addr(), act), app.RunOptions{})
			st := killedAt(t, r, "its request", func(rec journal.Record) bool {
				l, ok := rec.Body.(*journal.LogBody)
				return ok && l.Message == "asked"
			})
			res := finish(t, recovered(t, st, r.ID), journal.VerdictInconclusive)
			if res.Outcome.Reason != "no_stats" || !strings.Contains(res.Outcome.Message, "the process of the run died while it was on") {
				t.Errorf("%s: %s", res.Outcome.Reason, res.Outcome.Message)
			}
			all := strings.Join(res.View.Warnings(), "\n")
			if !strings.Contains(all, "the counts of 1 fault are lower bounds") || strings.Contains(all, "no request met any fault") {
				t.Errorf("it warns:\n%s", all)
			}
		})
	}
}
