package chaos

import (
	"testing"
	"time"
)

func TestCompress(t *testing.T) {
	f, err := New("latency", args{
		"delay": map[string]any{"ramp": map[string]any{"start": "10ms", "end": "1s", "over": "10m", "shape": "sine(1m)"}}, "jitter": "5ms",
		"pulse": Pulse{On: time.Minute, Off: 10 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	before := f.String()
	fast := f.Compress(60)
	if err := fast.Validate(); err != nil {
		t.Fatal(err)
	}
	delay, jitter := fast.Number("delay"), fast.Number("jitter")
	if delay.Over != 10*time.Second || delay.Period != time.Second || delay.Start != f.Number("delay").Start || jitter != f.Number("jitter") {
		t.Errorf("delay %+v, jitter %+v", delay, jitter)
	}
	if *fast.Pulse != (Pulse{time.Second, time.Millisecond}) {
		t.Errorf("pulse %+v", fast.Pulse)
	}
	if f.String() != before {
		t.Errorf("the fault itself was changed: %s", &f)
	}
	if same := f.Compress(1); same.String() != before {
		t.Errorf("%s", same)
	}
}
