//lint:file-ignore ST1005 an error may begin with Toxiproxy, which is a name

package toxiproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/units"
)

// toxic is a toxic in the form of the API.
type toxic struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Stream     string     `json:"stream"`
	Toxicity   float64    `json:"toxicity"`
	Attributes attributes `json:"attributes"`
}

// attributes are those that Toxiproxy's own toxics have: numbers.
type attributes map[string]float64

// UnmarshalJSON passes over what is no number: of toxics that others put there.
func (a *attributes) UnmarshalJSON(data []byte) error {
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	*a = make(attributes, len(all))
	for name, v := range all {
		if n, ok := v.(float64); ok {
			(*a)[name] = n
		}
	}
	return nil
}

// The streams of a proxy: requests go upstream, answers downstream.
const (
	upstream   = "upstream"
	downstream = "downstream"
)

// kindRow says how one kind of fault is made of toxics.
type kindRow struct {
	kind string
	make func(f *chaos.Fault) ([]toxic, error)
}

// kinds are the kinds of fault that Toxiproxy can do.
func kinds() []kindRow {
	return []kindRow{
		{"latency", latency}, {"bandwidth", bandwidth},
		{"blackhole", blackhole}, {"partition", blackhole}, {"timeout", timeout}, {"reset", reset}, {"refuse", refuse},
		{"slow_close", slowClose}, {"slicer", slicer}, {"limit_data", limitData},
	}
}

// Kinds names the kinds of fault that Toxiproxy can do, sorted.
func Kinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.kind)
	}
	slices.Sort(names)
	return names
}

// Fits says why Toxiproxy cannot do a fault, which is valid; nil if it can.
func Fits(f *chaos.Fault) error {
	_, err := toxicsOf(f)
	return err
}

// toxicsOf makes the toxics of a fault; their names are those within the fault.
func toxicsOf(f *chaos.Fault) ([]toxic, error) {
	list := kinds()
	i := slices.IndexFunc(list, func(k kindRow) bool { return k.kind == f.Kind })
	if i < 0 {
		return nil, fmt.Errorf("Toxiproxy cannot do a fault of kind %s, since it does not look into what passes; it can %s", f.Kind, strings.Join(Kinds(), ", "))
	}
	toxics, err := list[i].make(f)
	if err == nil {
		err = common(f)
	}
	if err != nil {
		return nil, fmt.Errorf("Toxiproxy cannot do this %s: %w", f.Kind, err)
	}
	for k := range toxics {
		toxics[k].Toxicity = f.Probability.Start
		if toxics[k].Name == "" {
			toxics[k].Name = toxics[k].Stream
		}
	}
	return toxics, nil
}

// common refuses what no toxic can.
func common(f *chaos.Fault) error {
	switch p := f.Pulse; {
	case f.Match != nil:
		return errors.New("it knows connections, not requests, so it has no match")
	case link.HasRamp(f):
		return errors.New("it lets go what a toxic holds back whenever the toxic is changed, so it has no ramps; use several steps, or a proxy(…)")
	case p != nil && (p.On < link.MinPulse || p.Off < link.MinPulse):
		return fmt.Errorf("a pulse is on and off for at least %s there", link.MinPulse)
	}
	return nil
}

// both makes a toxic of each stream; where the fault is drawn for, only one of requests,
// since Toxiproxy would draw for each.
func both(f *chaos.Fault, one toxic) []toxic {
	one.Stream = upstream
	if f.Probability != chaos.Const(1) {
		return []toxic{one}
	}
	other := one
	other.Stream = downstream
	return []toxic{one, other}
}

// ways makes the toxics for the parameter direction of a fault that acts on connections.
func ways(f *chaos.Fault, one toxic) []toxic {
	switch f.Text("direction") {
	case "request":
		one.Stream = upstream
	case "response":
		one.Stream = downstream
	default:
		return both(f, one)
	}
	return []toxic{one}
}

// directed makes the toxics for the parameter direction.
func directed(f *chaos.Fault, one toxic) ([]toxic, error) {
	switch f.Text("direction") {
	case "request":
		one.Stream = upstream
	case "response":
		one.Stream = downstream
	default:
		if f.Probability != chaos.Const(1) {
			return nil, errors.New(`it draws for each direction alone; say direction = "request" or "response", or leave the probability out`)
		}
		return both(f, one), nil
	}
	return []toxic{one}, nil
}

// millis are whole milliseconds, as Toxiproxy counts.
func millis(name string, ns float64) (float64, error) {
	ms := math.Round(ns / float64(time.Millisecond))
	if ns > 0 && ms == 0 {
		return 0, fmt.Errorf("%s is less than a millisecond, in which it counts", name)
	}
	return ms, nil
}

func latency(f *chaos.Fault) ([]toxic, error) {
	if f.Text("distribution") != "uniform" {
		return nil, errors.New(`it draws evenly; leave out distribution`)
	}
	delay := f.Number("delay").Start
	jitter := f.Number("jitter").Start
	percent := f.Number("jitter_percent").Start
	if percent > 0 {
		jitter = delay * percent / 100
	}
	if r, ok := f.Range("between"); ok {
		if jitter > 0 || percent > 0 {
			return nil, errors.New("it has one draw for a delay, so either between or jitter")
		}
		lo, hi := r[0].Start, r[1].Start
		delay, jitter = delay+(lo+hi)/2, (hi-lo)/2
	}
	latency, err := millis("latency", delay)
	if err == nil {
		jitter, err = millis("jitter", jitter)
	}
	if err != nil {
		return nil, err
	}
	return directed(f, toxic{Type: "latency", Attributes: map[string]float64{"latency": latency, "jitter": jitter}})
}

func bandwidth(f *chaos.Fault) ([]toxic, error) {
	if f.Text("per") == "target" {
		return nil, errors.New(`it limits each connection for itself; leave out per = "target"`)
	}
	rate := math.Round(f.Number("rate").Start / 1000)
	if rate < 1 {
		return nil, errors.New("it counts in KB/s, so the rate is at least 1KB/s")
	}
	return directed(f, toxic{Type: "bandwidth", Attributes: map[string]float64{"rate": rate}})
}

func blackhole(f *chaos.Fault) ([]toxic, error) {
	if f.Text("open_connections") != "freeze" {
		return nil, errors.New(`it freezes connections that are open; leave out open_connections`)
	}
	return ways(f, toxic{Type: "timeout", Attributes: map[string]float64{"timeout": 0}}), nil
}

func timeout(f *chaos.Fault) ([]toxic, error) {
	ms, err := millis("after", f.Number("after").Start)
	if err == nil && ms == 0 {
		err = errors.New("after 0s would never close the connection there; use reset or blackhole")
	}
	return ways(f, toxic{Type: "timeout", Attributes: map[string]float64{"timeout": ms}}), err
}

// maxResetAfter bounds how long a reset waits: a toxic that waits cannot be taken off.
const maxResetAfter = 5 * time.Second

func reset(f *chaos.Fault) ([]toxic, error) {
	ms, err := millis("after", f.Number("after").Start)
	switch {
	case err != nil:
		return nil, err
	case f.Number("after").Start > float64(maxResetAfter):
		return nil, fmt.Errorf("it could not be taken off while it waits, so after is at most %s", units.FormatDuration(maxResetAfter))
	case f.Probability != chaos.Const(1):
		return nil, errors.New("it resets at their end even connections that are not drawn; leave the probability out")
	}
	return []toxic{{Type: "reset_peer", Stream: upstream, Attributes: map[string]float64{"timeout": ms}}}, nil
}

// refuse is done by disabling the proxy. The toxic does nothing: it is the mark by which
// is known who disabled it.
func refuse(f *chaos.Fault) ([]toxic, error) {
	switch {
	case f.Text("open_connections") != "close":
		return nil, errors.New(`it closes connections that are open; write fault.refuse(open_connections = "close")`)
	case f.Probability != chaos.Const(1):
		return nil, errors.New("all connections are refused, or none; leave the probability out")
	}
	return []toxic{{Name: refuseMark, Type: "noop", Stream: upstream, Attributes: map[string]float64{}}}, nil
}

func slowClose(f *chaos.Fault) ([]toxic, error) {
	ms, err := millis("delay", f.Number("delay").Start)
	return ways(f, toxic{Type: "slow_close", Attributes: map[string]float64{"delay": ms}}), err
}

func slicer(f *chaos.Fault) ([]toxic, error) {
	average, variation := f.Number("average").Start, f.Number("variation").Start
	if variation >= average {
		return nil, errors.New("the variation must be less than the average")
	}
	us := math.Round(f.Number("delay").Start / float64(time.Microsecond))
	return ways(f, toxic{Type: "slicer", Attributes: map[string]float64{
		"average_size": math.Round(average), "size_variation": math.Floor(variation), "delay": us,
	}}), nil
}

func limitData(f *chaos.Fault) ([]toxic, error) {
	return ways(f, toxic{Type: "limit_data", Attributes: map[string]float64{"bytes": math.Round(f.Number("bytes").Start)}}), nil
}
