package runtime_test

import (
	"context"
	"fmt"
	"iter"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"starquake/internal/alarm"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// inUse is the memory that the heap and the stacks take, after a collection.
func inUse() uint64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkParkedRuns is what a run costs that waits in a sleep, in a real world of
// its own, all told. Run it with -benchtime=1x.
func BenchmarkParkedRuns(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		before := inUse()
		worlds := make([]*runtime.Real, n)
		parked := make(chan struct{}, n)
		ended := make(chan struct{}, n)
		began := time.Now()
		for i := range worlds {
			now := time.Now()
			worlds[i] = runtime.NewReal(newFake(), journal.Discard{}, now)
			go func() {
				r := runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "parked", Origin: now}}, worlds[i])
				r.Execute(func(br *runtime.Branch) (any, error) {
					parked <- struct{}{}
					return nil, br.Sleep(time.Hour)
				})
				ended <- struct{}{}
			}()
		}
		for range n {
			<-parked
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/n, "µs/start")
		time.Sleep(100 * time.Millisecond) // the last ones park
		b.ReportMetric(float64(inUse()-before)/n, "B/run")
		began = time.Now()
		for _, w := range worlds {
			w.Control(runtime.Control{Action: runtime.ActionStop})
		}
		for range n {
			<-ended
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/n, "µs/stop")
	}
}

// BenchmarkParkedBranches is what a branch costs that sleeps beside others.
func BenchmarkParkedBranches(b *testing.B) {
	const n = 100_000 - 1
	for b.Loop() {
		before := inUse()
		now := time.Now()
		w := runtime.NewReal(newFake(), journal.Discard{}, now)
		done := make(chan struct{})
		parked := 0
		all := make(chan struct{})
		specs := make([]runtime.BranchSpec, n)
		for i := range specs {
			specs[i].Body = func(br *runtime.Branch) (any, error) {
				if parked++; parked == n { // branches take turns: no race
					close(all)
				}
				return nil, br.Sleep(time.Hour)
			}
		}
		go func() {
			defer close(done)
			r := runtime.New(runtime.Config{}, w)
			r.Execute(func(br *runtime.Branch) (any, error) {
				_, err := br.Parallel(specs, runtime.ParallelOptions{})
				return nil, err
			})
		}()
		<-all
		time.Sleep(100 * time.Millisecond)
		b.ReportMetric(float64(inUse()-before)/n, "B/branch")
		began := time.Now()
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/stop-all")
	}
}

// report gives the p50 and p99 of durations in microseconds.
func report(b *testing.B, name string, all []time.Duration) {
	slices.Sort(all)
	at := func(p float64) float64 { return float64(all[int(p*float64(len(all)-1))]) / 1000 }
	b.ReportMetric(at(0.5), name+"p50-µs")
	b.ReportMetric(at(0.99), name+"p99-µs")
	b.ReportMetric(at(1), name+"max-µs")
}

// BenchmarkWakeUp is how late a sleep of 100 ms ends: in a process that does nothing
// else, and beside 10 000 sleeping branches of the same run.
func BenchmarkWakeUp(b *testing.B) {
	for _, c := range []struct {
		others int
		clock  string
	}{{0, "time.Timer"}, {0, "alarm"}, {10_000, "time.Timer"}, {10_000, "alarm"}} {
		others := c.others
		b.Run(fmt.Sprintf("others=%d/clock=%s", others, c.clock), func(b *testing.B) {
			var late []time.Duration
			now := time.Now()
			w := runtime.NewReal(newFake(), journal.Discard{}, now)
			if c.clock == "alarm" {
				clock, err := alarm.New()
				if err != nil {
					b.Fatal(err)
				}
				defer clock.Close()
				w.Clock = clock
			}
			r := runtime.New(runtime.Config{}, w)
			out := r.Execute(func(br *runtime.Branch) (any, error) {
				if _, err := br.Start("others", staggered(others)); err != nil {
					return nil, err
				}
				for b.Loop() {
					began := time.Now()
					if err := br.Sleep(100 * time.Millisecond); err != nil {
						return nil, err
					}
					late = append(late, time.Since(began)-100*time.Millisecond)
				}
				return nil, nil
			})
			wantVerdict(b, out, journal.VerdictPassed)
			report(b, "", late)
		})
	}
}

// staggered is n branches that sleep a second again and again, each beginning at a
// time of its own.
func staggered(n int) runtime.Body {
	return func(br *runtime.Branch) (any, error) {
		if n == 0 {
			return nil, nil
		}
		specs := make([]runtime.BranchSpec, n)
		for i := range specs {
			specs[i].Body = func(br *runtime.Branch) (any, error) {
				err := br.Sleep(time.Duration(i) * time.Second / time.Duration(n))
				for err == nil {
					err = br.Sleep(time.Second)
				}
				return nil, err
			}
		}
		_, err := br.Parallel(specs, runtime.ParallelOptions{})
		return nil, err
	}
}

// BenchmarkControlLatency is how long a stop takes until every fault is off and until
// the run has ended, wherever the run is.
func BenchmarkControlLatency(b *testing.B) {
	for name, program := range map[string]string{
		"sleep": "hold f\nsleep 1h", "effect": "hold f\neffect hangs", "join of 1000": joinOf(1000),
	} {
		b.Run(name, func(b *testing.B) {
			var off, end []time.Duration
			for b.Loop() {
				f := newFake()
				f.does["hangs"] = until
				r := startReal(f, journal.Discard{}, program)
				n := 1
				if name == "join of 1000" {
					n = 1000
				}
				f.await(b, n)
				began := time.Now()
				r.Control(runtime.Control{Action: runtime.ActionStop})
				f.await(b, 0)
				off = append(off, time.Since(began))
				<-r.done
				end = append(end, time.Since(began))
			}
			report(b, "off-", off)
			report(b, "end-", end)
		})
	}
}

// BenchmarkBreach is how long a guard's breach takes until every fault is off, from the
// moment at which its probe says so.
func BenchmarkBreach(b *testing.B) {
	for name, program := range map[string]string{
		"sleep": "sleep 1h", "effect": "effect hangs", "join of 1000": joinOf(1000),
	} {
		b.Run(name, func(b *testing.B) {
			var off []time.Duration
			for b.Loop() {
				n := 1 + strings.Count(program, "hold")
				took, _ := breach(b, "guard g probe=p\nhold f\n"+program, n)
				off = append(off, took)
			}
			report(b, "off-", off)
		})
	}
}

// breach runs a program whose guard watches p, breaches it once n faults are on, and
// gives how long they then stayed on, and the journal.
func breach(t testing.TB, program string, n int) (time.Duration, []journal.Record) {
	t.Helper()
	f := newFake()
	f.does["hangs"] = until
	burns := make(chan struct{})
	f.does["p"] = func(ctx context.Context, call *runtime.Call) (any, error) {
		call.Report(runtime.WatchReport{State: runtime.WatchHolds, Reading: runtime.Reading{OK: true}, Seen: 1})
		select {
		case <-burns:
			call.Report(runtime.WatchReport{State: runtime.WatchBad, Seen: 2, Bad: 1})
		case <-ctx.Done():
		}
		<-ctx.Done()
		return runtime.WatchReport{Seen: 2, Bad: 1}, nil
	}
	r := startReal(f, nil, program)
	f.await(t, n)
	began := time.Now()
	close(burns)
	f.await(t, 0)
	took := time.Since(began)
	wantVerdict(t, <-r.done, journal.VerdictAborted)
	return took, r.mem.Records()
}

// TestBreach: with the breach all faults are asked off before anything else of the run
// ends, wherever it is.
func TestBreach(t *testing.T) {
	for _, program := range []string{"sleep 1h", "effect hangs", "step a {\nhold f\nsleep 1h\n}", joinOf(10)} {
		n := 1 + strings.Count(program, "hold")
		_, recs := breach(t, "guard g probe=p\nhold f\n"+program, n)
		breached, stops := false, 0
		for _, rec := range recs {
			switch rec.Kind {
			case journal.Guard:
				breached = breached || rec.Body.(*journal.WatchBody).State == "breach"
			case journal.EffectStop:
				if breached {
					stops++
				}
			case journal.StepEnd, journal.BranchEnd, journal.RunEnd:
				if !breached || stops < n {
					t.Errorf("%s\n%s before %d of %d faults were asked off", program, rec.Kind, n-stops, n)
				}
			}
		}
	}
}

// BenchmarkCoroutines compares what a switch there and back costs, and what a parked
// coroutine holds, for channels as the scheduler uses them and for iter.Pull.
func BenchmarkCoroutines(b *testing.B) {
	b.Run("channels", func(b *testing.B) {
		ping, pong := make(chan struct{}, 1), make(chan struct{}, 1)
		go func() {
			for range ping {
				pong <- struct{}{}
			}
			close(pong)
		}()
		for b.Loop() {
			ping <- struct{}{}
			<-pong
		}
		close(ping)
		<-pong
		before, gate, stop := inUse(), make(chan struct{}, 10_000), make(chan struct{})
		for range 10_000 {
			wake := make(chan struct{}, 1)
			go func() {
				gate <- struct{}{}
				select { // a branch only receives; stop ends the benchmark
				case <-wake:
				case <-stop:
				}
			}()
		}
		for range 10_000 {
			<-gate
		}
		b.ReportMetric(float64(inUse()-before)/10_000, "B/parked")
		close(stop)
	})
	b.Run("iter.Pull", func(b *testing.B) {
		seq := func(yield func(struct{}) bool) {
			for yield(struct{}{}) {
			}
		}
		next, stop := iter.Pull(seq)
		for b.Loop() {
			next()
		}
		stop()
		before := inUse()
		stops := make([]func(), 10_000)
		for i := range stops {
			next, stop := iter.Pull(seq)
			next()
			stops[i] = stop
		}
		b.ReportMetric(float64(inUse()-before)/10_000, "B/parked")
		for _, stop := range stops {
			stop()
		}
	})
}
