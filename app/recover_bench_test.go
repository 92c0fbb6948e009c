package app_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"starquake/app"
	"starquake/internal/alarm"
	"starquake/runtime/journal"
	"starquake/store"
)

// BenchmarkReplay replays a journal of a million records: a third of a million sleeps.
func BenchmarkReplay(b *testing.B) {
	s, diags := app.LoadText("t.star", []byte("def main():\n    loop(lambda i: sleep(\"1s\"), times = 333330)\n"))
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	plan, err := s.Plan(app.PlanOptions{Horizon: 1e6 * time.Second, MaxRecords: 2e6})
	if err != nil {
		b.Fatal(err)
	}
	// As a recovery has them: from the disk.
	st, err := store.Open(b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	run, err := st.Create(store.Info{ID: "20260101-000000-00000000"})
	if err == nil {
		err = run.Append(plan.Records)
	}
	if err != nil || run.Close() != nil {
		b.Fatal(err)
	}
	n := len(plan.Records)
	plan = nil
	runtime.GC()
	for b.Loop() {
		e, recs, err := st.Read(run.ID())
		if err != nil {
			b.Fatal(err)
		}
		res, err := app.Replay(e.Info, recs, nil)
		if err != nil || res.Differs != nil || !res.Ended {
			b.Fatal(err, res)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkRecover takes up 10 000 runs that were parked in a sleep when their process
// died: from opening the data folder until all of them go on.
func BenchmarkRecover(b *testing.B) {
	const runs = 10_000
	s, diags := app.LoadText("t.star", []byte("def main():\n    step(\"waits\", duration = \"1h\")\n"))
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	template := b.TempDir()
	st, err := store.Open(template, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	plan, err := s.Plan(app.PlanOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var parked []journal.Record
	for _, rec := range plan.Records {
		if parked = append(parked, rec); rec.Kind == journal.StepTry {
			break
		}
	}
	var open []*store.Run
	for i := range runs {
		r, err := st.Create(store.Info{ID: fmt.Sprintf("20260101-000000-%08x", i), Name: "t", Script: "t.star"})
		if err == nil {
			begin := *parked[0].Body.(*journal.RunBeginBody)
			begin.Origin = time.Now()
			recs := append([]journal.Record{{Kind: journal.RunBegin, Place: parked[0].Place, Body: &begin}}, parked[1:]...)
			err = r.Append(recs)
		}
		if err != nil {
			b.Fatal(err)
		}
		open = append(open, r)
	}
	for _, r := range open { // one sync for all
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	clock, err := alarm.New()
	if err != nil {
		b.Fatal(err)
	}
	defer clock.Close()
	for b.Loop() { // once, with -benchtime 1x: then the runs have ended
		st, err := store.Open(template, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		entries, err := st.Runs(store.Filter{Status: store.Interrupted})
		if err != nil || len(entries) != runs {
			b.Fatal(len(entries), err)
		}
		var recovered []*app.Running
		for _, e := range entries {
			r, err := app.Recover(e.ID, false, app.RunOptions{Store: st, Clock: clock})
			if err != nil {
				b.Fatal(err)
			}
			recovered = append(recovered, r)
		}
		for _, r := range recovered { // ready: each was told that it goes on
			for r.View().Recovered == 0 {
				runtime.Gosched()
			}
		}
		b.StopTimer()
		for _, r := range recovered {
			_ = r.Control(journal.ControlBody{Action: "stop"})
		}
		for _, r := range recovered {
			r.Wait()
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkSteps runs 10 000 steps without effects: a run that is kept should cost less
// than twice what one in memory does.
func BenchmarkSteps(b *testing.B) {
	s, diags := app.LoadText("t.star", []byte("def main():\n    loop(lambda i: step(\"x\", lambda: None), times = 10000)\n"))
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	for _, kept := range []bool{false, true} {
		b.Run(map[bool]string{false: "in memory", true: "kept"}[kept], func(b *testing.B) {
			var opt app.RunOptions
			if kept {
				st, err := store.Open(b.TempDir(), store.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer st.Close()
				opt.Store = st
			}
			for b.Loop() {
				r, err := s.Start(opt)
				if err != nil {
					b.Fatal(err)
				}
				if res := r.Wait(); res.Outcome.Verdict != journal.VerdictPassed {
					b.Fatal(res.Outcome)
				}
			}
		})
	}
}
