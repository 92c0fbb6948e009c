package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"starquake/report/text"
)

// drawing is a picture of the page with what is beside it.
type drawing struct {
	Title, Caption, Left string
	Legend               []legend
	SVG                  template.HTML
}

type legend struct {
	Sign template.HTML
	Text string
}

// A canvas draws SVG whose width is that of its place: what stands at a time stands at a
// share of the width, and letters keep their size. It escapes every text.
type canvas struct {
	strings.Builder
	total time.Duration
}

// x is the place of a time, in percent.
func (c *canvas) x(at time.Duration) float64 {
	return 100 * min(max(float64(at)/float64(max(c.total, 1)), 0), 1)
}

// rect draws a bar from one time to another; a short one stays visible.
func (c *canvas) rect(class string, from, to time.Duration, y, h float64, title string) {
	x := c.x(from)
	width := max(c.x(to)-x, 0.25)
	x = min(x, 100-width)
	fmt.Fprintf(c, `<rect class="%s" x="%s%%" y="%s" width="%s%%" height="%s"`, class, num(x), num(y), num(width), num(h))
	if title == "" {
		c.WriteString("/>")
		return
	}
	fmt.Fprintf(c, "><title>%s</title></rect>", html.EscapeString(line(title)))
}

// text writes at a share of the width.
func (c *canvas) text(class, anchor string, x, y float64, s string) {
	fmt.Fprintf(c, `<text class="%s" text-anchor="%s" x="%s%%" y="%s">%s</text>`, class, anchor, num(x), num(y), html.EscapeString(line(s)))
}

func (c *canvas) vertical(class string, at time.Duration, y, h float64) {
	x := c.x(at)
	fmt.Fprintf(c, `<line class="%s" x1="%s%%" x2="%s%%" y1="%s" y2="%s"/>`, class, num(x), num(x), num(y), num(y+h))
}

func (c *canvas) horizontal(class string, y float64) {
	fmt.Fprintf(c, `<line class="%s" x1="0" x2="100%%" y1="%s" y2="%s"/>`, class, num(y), num(y))
}

func (c *canvas) dot(class string, at time.Duration, y, radius float64, title string) {
	fmt.Fprintf(c, `<circle class="%s" cx="%s%%" cy="%s" r="%s"><title>%s</title></circle>`, class, num(c.x(at)), num(y), num(radius), html.EscapeString(line(title)))
}

// times writes the times below y, and lines up from there.
func (c *canvas) times(y, up float64) {
	step := niceTime(c.total, 4)
	for at := time.Duration(0); at <= c.total; at += step {
		c.vertical("grid", at, y-up, up)
		anchor := "middle"
		switch x := c.x(at); {
		case x < 4:
			anchor = "start"
		case x > 93:
			anchor = "end"
		}
		c.text("soft", anchor, c.x(at), y+14, text.Duration(at))
	}
}

// svg closes the picture.
func (c *canvas) svg(id string, height float64, title, description string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg role="img" aria-labelledby="%s-t %s-d" height="%s"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>%s</svg>`,
		id, id, num(height), id, html.EscapeString(line(title)), id, html.EscapeString(line(description)), c.String()))
}

// num writes a coordinate.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// niceTime is a round time of which about n go into total.
func niceTime(total time.Duration, n int) time.Duration {
	raw := max(total/time.Duration(n), 1)
	for _, unit := range []time.Duration{time.Microsecond, time.Millisecond, time.Second} {
		for _, k := range []time.Duration{1, 2, 5, 10, 20, 50, 100, 200, 500} {
			if unit == time.Second && k > 10 {
				break
			}
			if raw <= k*unit {
				return k * unit
			}
		}
	}
	for _, d := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if raw <= d {
			return d
		}
	}
	const day = 24 * time.Hour
	return (raw + day - 1) / day * day
}

// niceNumber is 1, 2, 2.5, 4, 5 or 8 times a power of ten, and at least v.
func niceNumber(v float64) float64 {
	if v <= 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, k := range []float64{1, 2, 2.5, 4, 5, 8, 10} {
		if v <= k*power*1.0000001 {
			return k * power
		}
	}
	return 10 * power
}

// sign is a small picture for a legend.
func sign(body string) template.HTML {
	return template.HTML(`<svg aria-hidden="true" viewBox="0 0 22 12">` + body + `</svg>`)
}

var (
	signP50   = sign(`<path class="l50" d="M1 6H21"/>`)
	signP99   = sign(`<path class="l99" d="M1 6H21"/>`)
	signErr   = sign(`<rect class="errs" x="8" y="1" width="6" height="11"/>`)
	signFault = sign(`<rect class="shade" width="22" height="12"/>`)
	signPause = sign(`<rect class="pause" width="22" height="12"/>`)
	signBar   = sign(`<rect class="b-fault" y="2" width="22" height="8"/>`)
	signGood  = sign(`<rect class="b-good" y="2" width="22" height="8"/>`)
	signBad   = sign(`<rect class="b-bad" y="2" width="22" height="8"/>`)
	signWarn  = sign(`<rect class="b-warn" y="2" width="22" height="8"/>`)
	signIdle  = sign(`<rect class="b-idle" y="2" width="22" height="8"/>`)
	signDot   = sign(`<circle class="b-bad mark" cx="11" cy="6" r="5"/>`)
	signRetry = sign(`<rect class="b-good" y="2" width="22" height="8"/><path class="tick" d="M11 1V11"/>`)
)
