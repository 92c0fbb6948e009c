package alarm_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/internal/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Alarms ring in the order of their times, not before them, and only while set.
func TestOrder(t *testing.T) {
	c, err := alarm.New()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rung := make(chan int, 10)
	var now time.Time
	unit := 100 * time.Microsecond
	set := make([]*alarm.Alarm, 4)
	for i := range set {
		set[i] = &alarm.Alarm{Ring: func() { rung <- i }}
	}
	for settled := false; !settled; { // again, if a busy machine lets one ring before it is stopped
		unit *= 10
		now = time.Now()
		for i, after := range []time.Duration{30, 10, 20, 5} {
			c.Set(set[i], now.Add(after*unit))
		}
		c.Stop(set[3])                                   // never rings
		c.Set(set[2], now.Add(40*unit))                  // rings last, once
		c.Stop(&alarm.Alarm{Ring: func() { rung <- 9 }}) // was never set
		if settled = time.Since(now) < 5*unit; !settled {
			for _, a := range set {
				c.Stop(a)
			}
			for len(rung) > 0 {
				<-rung
			}
		}
	}
	for _, want := range []int{1, 0, 2} {
		if got := <-rung; got != want {
			t.Fatalf("alarm %d rang, expected %d", got, want)
		}
	}
	if took := time.Since(now); took < 40*unit {
		t.Errorf("the last rang after %s, which is early", took)
	}
	c.Set(set[3], time.Now().Add(-time.Second)) // overdue: at once
	if got := <-rung; got != 3 {
		t.Errorf("alarm %d rang", got)
	}
	select {
	case got := <-rung:
		t.Errorf("alarm %d rang again", got)
	default:
	}
}

// Who has been late is woken earlier, up to a quarter of the wait, and later again when
// waking takes less.
func TestEarly(t *testing.T) {
	var e alarm.Early
	if by := e.By(time.Second); by != 0 {
		t.Errorf("early by %s before anything was late", by)
	}
	for range 1000 {
		e.Rang(200 * time.Microsecond)
	}
	if by := e.By(time.Second); by < 190*time.Microsecond || by > 210*time.Microsecond {
		t.Errorf("early by %s, expected the 200µs that it was late", by)
	}
	if by := e.By(400 * time.Microsecond); by != 100*time.Microsecond {
		t.Errorf("early by %s of 400µs, expected a quarter", by)
	}
	for range 10 {
		e.Rang(time.Minute) // the machine slept
	}
	if by := e.By(time.Second); by > 300*time.Microsecond {
		t.Errorf("early by %s after a few long waits", by)
	}
	for range 10_000 {
		e.Rang(time.Minute)
	}
	if by := e.By(time.Minute); by > time.Millisecond {
		t.Errorf("early by %s, expected at most 1ms", by)
	}
	for range 10_000 {
		e.Rang(0)
	}
	if by := e.By(time.Minute); by != 0 {
		t.Errorf("early by %s though nothing is late", by)
	}
}
