package app_test

import (
	"fmt"
	goruntime "runtime"
	"sync/atomic"
	"testing"

	"starquake/app"
	"starquake/internal/alarm"
	"starquake/runtime"
	"starquake/runtime/journal"
)

func script(tb testing.TB, text string) *app.Script {
	tb.Helper()
	s, diags := app.LoadText("bench.star", []byte(text))
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	return s
}

func plan(tb testing.TB, s *app.Script) *app.Result {
	tb.Helper()
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	if res.Outcome.Verdict != journal.VerdictPassed {
		tb.Fatal(res.Outcome)
	}
	return res
}

const hourly = `
api = proxy("api", listen = "127.0.0.1:0", upstream = "127.0.0.1:1")

def main():
    guard("alive", probe.http("http://shop.test/health"))
    loop(lambda i: step("hour", duration = "1h", chaos = fault.latency("100ms")), times = 24)
`

// readings has 1 440 sleeps, 1 440 reads and 48 faults in 24 hours.
const readings = `
api = proxy("api", listen = "127.0.0.1:0", upstream = "127.0.0.1:1")
health = probe.http("http://shop.test/health")

def main():
    guard("alive", health)
    for i in range(48):
        apply_chaos(fault.latency("100ms"), on = api, duration = "0s")
        for j in range(30):
            sleep("1m")
            observe(health)
`

const sleeps = `
def main():
    for i in range(%d):
        sleep("1s")
`

const steps = `
def work():
    pass

def main():
    for i in range(%d):
        step("work", work)
        if i %% 1000 == 0:
            sleep("1s")
`

// BenchmarkPlan is the plan of a loaded script: interpreter, scheduler, journal in
// memory and the fold of it.
func BenchmarkPlan(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"day_hourly_steps", hourly},
		{"day_1440_reads_48_faults", readings},
		{"100000_steps", fmt.Sprintf(steps, 100_000)},
		{"100000_sleeps", fmt.Sprintf(sleeps, 100_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := script(b, c.text)
			b.ReportAllocs()
			for b.Loop() {
				plan(b, s)
			}
		})
	}
}

// BenchmarkLoadAndPlan adds reading and checking the script.
func BenchmarkLoadAndPlan(b *testing.B) {
	for b.Loop() {
		plan(b, script(b, hourly))
	}
}

// BenchmarkRealStep is one step without a duration in the real world, its records
// kept in memory and folded.
func BenchmarkRealStep(b *testing.B) {
	s := script(b, fmt.Sprintf(`
def work():
    pass

def main():
    for i in range(%d):
        step("work", work)
        if i %% 1000 == 0:
            sleep("1ms")
`, b.N))
	b.ReportAllocs()
	b.ResetTimer()
	run, err := s.Start(app.RunOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if res := run.Wait(); res.Outcome.Verdict != journal.VerdictPassed {
		b.Fatal(res.Outcome)
	}
}

// BenchmarkParkedScripts is the memory of a run of a script that sleeps: interpreter,
// scheduler, world, journal and fold, the shared program aside.
func BenchmarkParkedScripts(b *testing.B) {
	s := script(b, "def main():\n    sleep(\"1h\")\n")
	const n = 10_000
	clock, err := alarm.New()
	if err != nil {
		b.Fatal(err)
	}
	defer clock.Close()
	for b.Loop() {
		var asleep atomic.Int64
		sleeping := func(rec journal.Record) {
			if rec.Kind == journal.Sleep {
				asleep.Add(1)
			}
		}
		before := inUse()
		runs := make([]*app.Running, n)
		for i := range runs {
			run, err := s.Start(app.RunOptions{OnRecord: sleeping, Clock: clock})
			if err != nil {
				b.Fatal(err)
			}
			runs[i] = run
		}
		for asleep.Load() < n {
			goruntime.Gosched()
		}
		b.ReportMetric(float64(inUse()-before)/n, "B/run")
		for _, run := range runs {
			if err := run.Control(runtime.Control{Action: runtime.ActionStop}); err != nil {
				b.Fatal(err)
			}
			run.Wait()
		}
	}
}

func inUse() uint64 {
	goruntime.GC()
	goruntime.GC() // the first may only have begun to sweep
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
