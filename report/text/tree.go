package text

import (
	"slices"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// item is one row of a timeline, with the rows that belong to it. A row may stand
// for many steps or faults of the same shape, one after the other.
type item struct {
	label string // the same for all that may share a row
	full  string // of a step: with its turn and its number, for a row of its own
	kind  itemKind
	kids  []*item
	asked time.Duration // when the first was called or asked for
	spans []stretch     // of all it stands for, in order

	status    journal.Status // of a step
	tolerated bool
	tries     int
	fault     *view.Fault // of a fault: the first
	seen, hit int64       // of all faults of the row

	count    int           // how many times; 1 for a row of its own
	every    time.Duration // start to start, if it is always the same; else 0
	min, max time.Duration // how long each took
	inside   int           // steps in it, itself and repetitions included

	shape uint64 // equal for what may share a row
}

type itemKind uint8

const (
	stepItem itemKind = iota
	faultItem
	groupItem // a repetition of several rows
)

// stretch is a stretch of time.
type stretch struct{ from, to time.Duration }

// treeOf makes the rows of a run, with equal ones in sequence made one.
func treeOf(run *view.Run) []*item {
	exact := run.World == "virtual"
	items := make([]*item, len(run.Steps))
	for i, s := range run.Steps {
		to := s.End
		if !s.Over() {
			to = max(run.Now, s.Start)
		}
		rel := below(run, s)
		items[i] = &item{
			label: label(s, rel), full: strings.ReplaceAll(rel, "/", " / "), status: s.Status, tolerated: s.Tolerated, tries: s.Tries,
			asked: s.Begun, count: 1, inside: 1, spans: []stretch{{s.Start, to}}, min: to - s.Start, max: to - s.Start,
		}
	}
	faults := make([][]*item, len(items))
	var free []*item // faults of no step
	for _, f := range run.Faults {
		it := faultItemOf(run, f)
		it.setShape(exact)
		if f.Step >= 0 {
			faults[f.Step] = append(faults[f.Step], it)
		} else {
			free = append(free, it)
		}
	}
	// From the last to the first, so that children come before their parents and a
	// parent's shape knows theirs.
	kids := make([][]*item, len(items))
	var top []*item
	for i := len(items) - 1; i >= 0; i-- {
		it := items[i]
		slices.Reverse(kids[i])
		for _, k := range kids[i] {
			it.inside += k.inside
		}
		it.kids = collapse(inOrder(faults[i], kids[i]))
		it.setShape(exact)
		if parent := run.Steps[i].Parent; parent >= 0 {
			kids[parent] = append(kids[parent], it)
		} else {
			top = append(top, it)
		}
	}
	slices.Reverse(top)
	return collapse(inOrder(free, top))
}

// inOrder puts faults between steps as they were asked for, before what began at
// the same time.
func inOrder(faults, steps []*item) []*item {
	if len(faults) == 0 {
		return steps
	}
	out := make([]*item, 0, len(faults)+len(steps))
	for _, s := range steps {
		for len(faults) > 0 && faults[0].asked <= s.asked {
			out = append(out, faults[0])
			faults = faults[1:]
		}
		out = append(out, s)
	}
	return append(out, faults...)
}

// faultItemOf is the row of one fault.
func faultItemOf(run *view.Run, f *view.Fault) *item {
	on := run.On(f, run.Now)
	if len(on) == 0 { // it is shown where it was asked for
		on = []view.Span{{From: f.Start, To: f.End}}
		if !f.Over() {
			on[0].To = max(run.Now, f.Start)
		}
	}
	var spans []stretch
	sum := time.Duration(0)
	for _, s := range on {
		spans = append(spans, stretch{s.From, s.To})
		sum += s.To - s.From
	}
	return &item{
		label: faultLabel(run, f), kind: faultItem, fault: f, seen: f.Seen, hit: f.Hit, asked: f.Asked,
		count: 1, spans: spans, min: sum, max: sum,
	}
}

// faultLabel names a fault as one reads it: the target, then what happens to it.
// A name that is that of its step says nothing new.
func faultLabel(run *view.Run, f *view.Fault) string {
	if f.Target == "" {
		return faultName(run, f)
	}
	return f.Target + "  " + faultName(run, f)
}

func faultName(run *view.Run, f *view.Fault) string {
	if f.Name != "" && f.Name != f.Text && (f.Step < 0 || run.Steps[f.Step].Name != f.Name) {
		return f.Name + ": " + f.Text
	}
	return f.Text
}

// below is the step's path below its parent.
func below(run *view.Run, s *view.Step) string {
	if s.Parent >= 0 {
		if rel, ok := strings.CutPrefix(s.Path, run.Steps[s.Parent].Path+"/"); ok {
			return rel
		}
	}
	return s.Path
}

// label is the step's path below its parent, without the numbers of loop turns and
// of steps of the same name: rows of one shape have one label.
func label(s *view.Step, rel string) string {
	i := strings.LastIndex(rel, s.Name)
	if i < 0 {
		return s.Name
	}
	before := rel[:i]
	var out strings.Builder
	for seg := range strings.SplitAfterSeq(before, "/") {
		if seg != "" && !isTurn(seg) {
			out.WriteString(seg)
		}
	}
	return strings.ReplaceAll(out.String(), "/", " / ") + s.Name
}

// isTurn says whether a segment of a path is a loop's turn: "[12]/", or "[12]#2/"
// of the second loop of its scope.
func isTurn(seg string) bool {
	turn, number, numbered := strings.Cut(strings.TrimSuffix(seg, "/"), "#")
	digits, open := strings.CutPrefix(turn, "[")
	digits, closed := strings.CutSuffix(digits, "]")
	return open && closed && isNumber(digits) && (!numbered || isNumber(number))
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// setShape computes what must be equal for two rows to become one. In the virtual
// world times are exact and count; in the real one they never are.
func (it *item) setShape(exact bool) {
	h := fnvOffset
	h = mix(h, it.label)
	h = mix(h, string(it.status))
	h = mixInt(h, uint64(it.kind)<<32|uint64(uint32(it.tries))<<1|b2i(it.tolerated))
	if f := it.fault; f != nil {
		h = mix(h, string(f.State))
		if f.Error != nil {
			h = mix(h, f.Error.Message)
		}
	}
	if exact {
		h = mixInt(h, uint64(it.max))
	}
	for _, k := range it.kids {
		h = mixInt(h, k.shape)
		if exact {
			h = mixInt(h, uint64(k.spans[0].from-it.spans[0].from))
		}
	}
	it.shape = h
}

// The 64-bit FNV-1a hash, inline: hash/fnv wants a slice of bytes for each string.
const (
	fnvOffset uint64 = 14695981039346656037
	fnvPrime  uint64 = 1099511628211
)

func mix(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return (h ^ 0xff) * fnvPrime
}

func mixInt(h, n uint64) uint64 {
	for range 8 {
		h = (h ^ n&0xff) * fnvPrime
		n >>= 8
	}
	return h
}

func b2i(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
