package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"starquake/report/text"
	"starquake/runtime/view"
)

// The bounds of the charts.
const (
	maxCharts = 16
	maxBins   = 240
)

// sample is what a chart shows of a stretch of time.
type sample struct {
	at, every time.Duration
	seen, bad int64
	p50, p99  time.Duration
}

// plotted is one source of samples.
type plotted struct {
	name, what string // what its readings are called
	samples    []sample
}

// charts draw latency and errors over time, of each traffic and each probe.
func (r *Run) charts() (out []*drawing, leftOut string) {
	if r.Now <= 0 {
		return nil, ""
	}
	all := r.plots()
	windows := r.windows()
	for i, p := range all[:min(len(all), maxCharts)] {
		out = append(out, r.chart(fmt.Sprintf("chart%d", i+1), p, windows))
	}
	cut := 0
	for _, l := range r.Loads {
		if l.LeftOut {
			cut++
		}
	}
	return out, strings.TrimSpace(left(len(all)-len(out), "charts") + " " + left(cut, "series of loads"))
}

// plots are what can be drawn: loads by their traffic, then probes.
func (r *Run) plots() []*plotted {
	var out []*plotted
	byTraffic := map[string]*plotted{}
	for _, l := range r.Loads {
		if len(l.Series) == 0 {
			continue
		}
		key := cmp.Or(l.Traffic, l.ID)
		p := byTraffic[key]
		if p == nil {
			p = &plotted{name: "Load " + l.Text, what: "request"}
			byTraffic[key] = p
			out = append(out, p)
		}
		for _, s := range l.Series {
			p.samples = append(p.samples, sample{s.At, l.Every, s.Requests, s.Errors, s.P50, s.P99})
		}
	}
	for _, probe := range r.Probes {
		p := &plotted{name: "Probe " + probe.Name, what: "reading"}
		for _, s := range probe.Points {
			p.samples = append(p.samples, sample{s.At, 0, int64(s.Seen), int64(s.Bad), s.P50, s.P99})
		}
		if len(p.samples) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// bins puts samples together so that there are at most maxBins. As in the load's own
// series, what is put together has the higher percentiles: a chart that hides a spike is
// worse than one that shows it too wide.
func (p *plotted) bins(total time.Duration) (bins []sample, width time.Duration) {
	width = total/maxBins + 1
	for _, s := range p.samples {
		width = max(width, min(s.every, total))
	}
	byBin := map[time.Duration]*sample{}
	last := time.Duration(0)
	for _, s := range p.samples {
		if s.seen <= 0 {
			continue
		}
		n := min(max(s.at, 0), total) / width
		b := byBin[n]
		if b == nil {
			b = &sample{at: n * width, every: width}
			byBin[n] = b
		}
		b.seen, b.bad, b.p50, b.p99 = b.seen+s.seen, b.bad+s.bad, max(b.p50, s.p50), max(b.p99, s.p99)
		last = max(last, n)
	}
	for n := time.Duration(0); n <= last; n++ {
		if b := byBin[n]; b != nil {
			bins = append(bins, *b)
		}
	}
	return bins, width
}

const (
	latencyTop    = 6.0
	latencyHeight = 150.0
	errorsTop     = latencyTop + latencyHeight + 26
	errorsHeight  = 48.0
)

func (r *Run) chart(id string, p *plotted, windows []view.Span) *drawing {
	c := &canvas{total: r.Now}
	bins, width := p.bins(r.Now)
	high, seen, bad, worst := time.Duration(0), int64(0), int64(0), 0.0
	low := time.Duration(-1)
	for _, b := range bins {
		high = max(high, b.p99)
		if low < 0 || b.p99 < low {
			low = b.p99
		}
		seen, bad = seen+b.seen, bad+b.bad
		worst = max(worst, share(b))
	}
	// A figure that the run has itself takes no time to read, and has errors only.
	timed, errorsTop := high > 0, errorsTop
	if !timed {
		errorsTop = latencyTop + 14
	}
	shade := func(class string, w view.Span) {
		if timed {
			c.rect(class, w.From, w.To, latencyTop, latencyHeight, "")
		}
		c.rect(class, w.From, w.To, errorsTop, errorsHeight, "")
	}
	for _, w := range windows {
		shade("shade", w)
	}
	for _, w := range r.Pauses[:min(len(r.Pauses), maxWindows)] {
		shade("pause", w)
	}
	top := niceLatency(high)
	for i := range 3 {
		if !timed {
			break
		}
		y := latencyTop + latencyHeight*float64(i)/2
		c.horizontal(map[bool]string{true: "axis", false: "grid"}[i == 2], y)
		if i < 2 {
			c.text("soft", "start", 0, y+13, text.Duration(time.Duration(float64(top)*(1-float64(i)/2))))
		}
	}
	most := niceNumber(max(worst, 0.01))
	c.horizontal("grid", errorsTop)
	c.times(errorsTop+errorsHeight, errorsTop+errorsHeight-latencyTop)
	c.horizontal("axis", errorsTop+errorsHeight)
	for _, b := range bins {
		if b.bad == 0 {
			continue
		}
		h := max(errorsHeight*share(b)/most, 1.5)
		c.rect("errs", b.at, b.at+width, errorsTop+errorsHeight-h, h, fmt.Sprintf("at %s: %d of %d failed", text.Duration(b.at), b.bad, b.seen))
	}
	c.text("soft", "start", 0, errorsTop-5, "errors, up to "+text.Number(100*most)+"%")
	words := fmt.Sprintf("%d of %d %ss failed (%s).", bad, seen, p.what, text.Percent(float64(bad)/float64(max(seen, 1))))
	what, signs := "errors over time", []legend{{signErr, "share of errors"}}
	if timed {
		// Lines have points, which have no shares: their own picture is stretched.
		fmt.Fprintf(c, `<svg x="0" y="%s" width="100%%" height="%s" viewBox="0 0 1000 %s" preserveAspectRatio="none" overflow="visible">`, num(latencyTop), num(latencyHeight), num(latencyHeight))
		gap := p.gap(width, r.Now)
		c.path("l99", bins, width, gap, top, func(s sample) time.Duration { return s.p99 })
		c.path("l50", bins, width, gap, top, func(s sample) time.Duration { return s.p50 })
		c.WriteString("</svg>")
		words += fmt.Sprintf(" The 99th percentile was between %s and %s.", text.Took(max(low, 0)), text.Took(high))
		what, signs = "latency and errors over time", append([]legend{{signP50, "p50"}, {signP99, "p99"}}, signs...)
	}
	d := &drawing{
		Title: line(p.name), Caption: words, Legend: signs,
		SVG: c.svg(id, errorsTop+errorsHeight+22, p.name+": "+what, words+" "+r.timelineWords()),
	}
	if len(windows) > 0 {
		d.Legend = append(d.Legend, legend{signFault, "a fault is on"})
	}
	if len(r.Pauses) > 0 {
		d.Legend = append(d.Legend, legend{signPause, "paused"})
	}
	return d
}

// share is the share of bad ones.
func share(s sample) float64 { return float64(s.bad) / float64(max(s.seen, 1)) }

// niceLatency is a round latency that is at least d.
func niceLatency(d time.Duration) time.Duration {
	if d > time.Minute {
		return niceTime(d, 1)
	}
	return max(time.Duration(niceNumber(float64(d))), time.Microsecond)
}

// gap is how far readings may be apart that a line joins: a probe is read now and then,
// but a line across a tenth of the run would say what nobody saw.
func (p *plotted) gap(width, total time.Duration) time.Duration {
	var apart []time.Duration
	for i := 1; i < len(p.samples); i++ {
		if d := p.samples[i].at - p.samples[i-1].at; d > 0 {
			apart = append(apart, d)
		}
	}
	slices.Sort(apart)
	usual := width
	if len(apart) > 0 {
		usual = max(usual, apart[len(apart)/2]+apart[len(apart)/2]/4)
	}
	return max(2*width+width/2, min(2*usual, total/10))
}

// path draws a line through bins; where there was nothing to measure it has a gap.
func (c *canvas) path(class string, bins []sample, width, gap, top time.Duration, of func(sample) time.Duration) {
	var d, alone strings.Builder
	last := time.Duration(-1)
	for i, b := range bins {
		x := 10 * c.x(b.at+width/2)
		y := latencyHeight * (1 - min(float64(of(b))/float64(top), 1))
		joined := last >= 0 && b.at-last <= gap
		if joined {
			fmt.Fprintf(&d, "L%s %s", num(x), num(y))
		} else {
			fmt.Fprintf(&d, "M%s %s", num(x), num(y))
			if i+1 == len(bins) || bins[i+1].at-b.at > gap {
				fmt.Fprintf(&alone, "M%s %sh.01", num(x), num(y)) // one alone is a dot
			}
		}
		last = b.at
	}
	if d.Len() > 0 {
		fmt.Fprintf(c, `<path class="%s" d="%s"/>`, class, d.String())
	}
	if alone.Len() > 0 {
		fmt.Fprintf(c, `<path class="%s alone" d="%s"/>`, class, alone.String())
	}
}
