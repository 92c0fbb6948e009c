package view

import (
	"encoding/json"
	"slices"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/series"
)

// The bounds of what is kept of load.
const (
	MaxLoads      = 1000
	maxLoadSeries = 1200  // points of one load; its own bound is half of that
	maxLoadPoints = 60000 // points of all loads
	maxByStatus   = 80
	maxBefore     = 60             // earlier points that requests of a point were due in
	maxEvery      = 24 * time.Hour // the length of a point
)

// Load is load that was sent, from its beginning to its end.
type Load struct {
	ID   string `json:"id"`
	Text string `json:"text"` // for people: "GET http://…"
	Path string `json:"path,omitempty"`
	Step int    `json:"step"` // index of the step it belongs to, or -1
	// Traffic is the same for all loads that one value of the script sent, if known.
	Traffic string        `json:"traffic,omitempty"`
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Over    bool          `json:"over"`
	// Figures are set once it is over, unless Error is.
	Figures *LoadFigures         `json:"figures,omitempty"`
	Error   *journal.EffectError `json:"error,omitempty"`
	// Series are its points in the run's time, Every apart. LeftOut says that the run had
	// too many points to keep these.
	Series  []LoadPoint   `json:"series,omitempty"`
	Every   time.Duration `json:"every,omitempty"`
	LeftOut bool          `json:"left_out,omitempty"`
}

// LoadFigures are what came of load.
type LoadFigures struct {
	Requests         int64            `json:"requests"`
	Errors           int64            `json:"errors"`
	ErrorRate        float64          `json:"error_rate"`
	P50              time.Duration    `json:"p50"`
	P90              time.Duration    `json:"p90"`
	P95              time.Duration    `json:"p95"`
	P99              time.Duration    `json:"p99"`
	P999             time.Duration    `json:"p999"`
	Max              time.Duration    `json:"max"`
	Throughput       float64          `json:"throughput"`
	ByStatus         map[string]int64 `json:"by_status,omitempty"`
	Dropped          int64            `json:"dropped,omitempty"`
	Late             int64            `json:"late,omitempty"`
	Unfinished       int64            `json:"unfinished,omitempty"`
	LongestOutage    time.Duration    `json:"longest_outage"`
	GeneratorLimited bool             `json:"generator_limited,omitempty"`
	StoppedBy        string           `json:"stopped_by,omitempty"`
	Span             time.Duration    `json:"span"`
}

// LoadPoint is what ended in a stretch of a load.
type LoadPoint struct {
	At       time.Duration `json:"at"` // its beginning, since the run's
	Requests int64         `json:"requests"`
	Errors   int64         `json:"errors,omitempty"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`

	took   series.Histogram
	before []before // as far as the journal tells
}

// before are the requests of a point that were due in an earlier one, which began at since.
type before struct {
	since            time.Duration
	requests, errors int64
}

// loadAsked notes that load was asked for.
func (f *Fold) loadAsked(e *Effect, b *journal.EffectStartBody) *Load {
	r := &f.run
	if len(r.Loads) >= MaxLoads {
		return nil
	}
	var args struct{ Traffic string }
	_ = json.Unmarshal(b.Args, &args) // load of another shape is of no known traffic
	l := &Load{ID: e.ID, Text: e.Text, Path: e.Path, Step: e.Step, Traffic: clip(args.Traffic), Start: r.Now, End: r.Now}
	r.Loads = append(r.Loads, l)
	return l
}

// loadData is what load ends with.
type loadData struct {
	LoadFigures
	Step   time.Duration
	Series []struct {
		LoadPoint
		Took   series.Histogram
		Before []struct {
			Steps            int
			Requests, Errors int64
		}
	}
}

// loadEnded takes what load comes to.
func (f *Fold) loadEnded(l *Load, b *journal.EffectEndBody) {
	r := &f.run
	l.End, l.Over, l.Error = r.Now, true, b.Error
	var data loadData
	if b.Error != nil || len(b.Data) == 0 || json.Unmarshal(b.Data, &data) != nil {
		return
	}
	figures := data.LoadFigures
	if len(figures.ByStatus) > maxByStatus {
		figures.ByStatus = nil
	}
	times := time.Duration(max(r.Compress, 1))
	step := min(max(data.Step, time.Millisecond), maxEvery)
	l.Figures, l.Every = &figures, step*times
	n := len(data.Series)
	if n > maxLoadSeries || f.loadPoints+n > maxLoadPoints {
		l.LeftOut = true
		return
	}
	f.loadPoints += n
	inRun := func(clock time.Duration) time.Duration {
		return min(max(r.fromClock(l.Start, min(max(clock, 0), r.Now)*times), l.Start), l.End)
	}
	for i := range data.Series {
		d := &data.Series[i]
		p := d.LoadPoint
		p.took = d.Took[:min(len(d.Took), series.MaxBuckets)]
		p.Requests = max(p.Requests, 0)
		p.Errors = min(max(p.Errors, 0), p.Requests)
		requests, errors := p.Requests, p.Errors
		for _, b := range slices.Backward(d.Before[:min(len(d.Before), maxBefore)]) { // the earliest are last
			early := before{since: inRun(max(p.At, 0) - time.Duration(min(max(b.Steps, 0), maxBefore))*step)}
			early.requests = min(max(b.Requests, 0), requests)
			early.errors = min(max(b.Errors, 0), errors, early.requests)
			requests, errors = requests-early.requests, errors-early.errors
			p.before = append(p.before, early)
		}
		p.At = inRun(p.At)
		l.Series = append(l.Series, p)
	}
}

// fromClock is the time of the run at a time of a clock that began at start and stood
// still in pauses.
func (r *Run) fromClock(start, clock time.Duration) time.Duration {
	at := start + clock
	for _, p := range r.Pauses {
		from := max(p.From, start)
		if p.To <= start || from > at {
			continue
		}
		at += p.To - from
	}
	return at
}
