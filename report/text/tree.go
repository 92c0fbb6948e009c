package text

import (
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
	spans []stretch // of all it stands for, in order

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
			count: 1, inside: 1, spans: []stretch{{s.Start, to}}, min: to - s.Start, max: to - s.Start,
		}
	}
	var roots []*item
	for _, f := range run.Faults {
		to := f.End
		if !f.Over() {
			to = max(run.Now, f.Start)
		}
		it := &item{
			label: faultLabel(f), kind: faultItem, fault: f, seen: f.Seen, hit: f.Hit,
			count: 1, spans: []stretch{{f.Start, to}}, min: to - f.Start, max: to - f.Start,
		}
		if f.Step >= 0 {
			items[f.Step].kids = append(items[f.Step].kids, it)
		} else {
			roots = append(roots, it)
		}
	}
	// Children before their parents, so that a parent's shape knows theirs. They are
	// collected from the last to the first.
	kids := make([][]*item, len(items))
	var top []*item
	for i := len(items) - 1; i >= 0; i-- {
		it, s := items[i], run.Steps[i]
		own := it.kids
		for _, f := range own {
			f.setShape(exact)
		}
		inner := kids[i]
		reverse(inner)
		it.kids = append(collapse(own), collapse(inner)...)
		for _, k := range inner {
			it.inside += k.inside
		}
		it.setShape(exact)
		if s.Parent >= 0 {
			kids[s.Parent] = append(kids[s.Parent], it)
		} else {
			top = append(top, it)
		}
	}
	reverse(top)
	for _, f := range roots {
		f.setShape(exact)
	}
	return append(collapse(roots), collapse(top)...)
}

func reverse(items []*item) {
	for i, k := 0, len(items)-1; i < k; i, k = i+1, k-1 {
		items[i], items[k] = items[k], items[i]
	}
}

// faultLabel names a fault as one reads it: the target, then what happens to it.
func faultLabel(f *view.Fault) string {
	name := f.Text
	if f.Name != "" && f.Name != f.Text {
		name = f.Name + ": " + f.Text
	}
	if f.Target == "" {
		return name
	}
	return f.Target + "  " + name
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

// isTurn says whether a segment of a path is a loop's turn: "[12]/".
func isTurn(seg string) bool {
	digits, open := strings.CutPrefix(seg, "[")
	digits, closed := strings.CutSuffix(digits, "]/")
	return open && closed && digits != "" && strings.Trim(digits, "0123456789") == ""
}

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
