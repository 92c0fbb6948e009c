package report

import (
	"cmp"
	"fmt"
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
	chartHeight   = errorsTop + errorsHeight + 22
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
	for _, w := range windows {
		c.rect("shade", w.From, w.To, latencyTop, latencyHeight, "")
		c.rect("shade", w.From, w.To, errorsTop, errorsHeight, "")
	}
	for _, w := range r.Pauses[:min(len(r.Pauses), maxWindows)] {
		c.rect("pause", w.From, w.To, latencyTop, latencyHeight, "")
		c.rect("pause", w.From, w.To, errorsTop, errorsHeight, "")
	}
	top := niceLatency(high)
	for i := range 3 {
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
	// Lines have points, which have no shares: their own picture is stretched.
	fmt.Fprintf(c, `<svg x="0" y="%s" width="100%%" height="%s" viewBox="0 0 1000 %s" preserveAspectRatio="none" overflow="visible">`, num(latencyTop), num(latencyHeight), num(latencyHeight))
	c.path("l99", bins, width, top, func(s sample) time.Duration { return s.p99 })
	c.path("l50", bins, width, top, func(s sample) time.Duration { return s.p50 })
	c.WriteString("</svg>")

	words := fmt.Sprintf("%d of %d %ss failed (%s). The 99th percentile was between %s and %s.", bad, seen, p.what, text.Percent(float64(bad)/float64(max(seen, 1))), text.Took(max(low, 0)), text.Took(high))
	d := &drawing{
		Title: line(p.name), Caption: words,
		SVG:    c.svg(id, chartHeight, p.name+": latency and errors over time", words+" "+r.timelineWords()),
		Legend: []legend{{signP50, "p50"}, {signP99, "p99"}, {signErr, "share of errors"}},
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

// path draws a line through bins; where there was nothing to measure it has a gap.
func (c *canvas) path(class string, bins []sample, width, top time.Duration, of func(sample) time.Duration) {
	var d strings.Builder
	last := time.Duration(-1)
	for i, b := range bins {
		x := 10 * c.x(b.at+width/2)
		y := latencyHeight * (1 - min(float64(of(b))/float64(top), 1))
		joined := last >= 0 && b.at-last <= 2*width+width/2
		if joined {
			fmt.Fprintf(&d, "L%s %s", num(x), num(y))
		} else {
			fmt.Fprintf(&d, "M%s %s", num(x), num(y))
			if i+1 == len(bins) || bins[i+1].at-b.at > 2*width+width/2 {
				d.WriteString("h.01") // one alone is a dot
			}
		}
		last = b.at
	}
	if d.Len() > 0 {
		fmt.Fprintf(c, `<path class="%s" d="%s"/>`, class, d.String())
	}
}
