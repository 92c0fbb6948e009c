package text

import (
	"fmt"
	"time"

	"starquake/runtime/view"
)

// faultSum is what the faults of one text on one target did in the whole run.
type faultSum struct {
	label, kind  string
	times        int
	on           time.Duration // summed
	seen, hit    int64
	inapplic     int64
	uncounted    bool
	unclean      int
	expired      int
	never        int
	neverError   string
	expiredError string // why the last of them went off by itself
}

// faults says what each fault met and did. A loop puts the same fault on again
// and again: it has one line.
func (s *summary) faults() {
	byLabel := map[string]*faultSum{}
	var sums []*faultSum
	for _, f := range s.run.Faults {
		label := faultLabel(s.run, f)
		sum := byLabel[label]
		if sum == nil {
			sum = &faultSum{label: label, kind: f.Kind}
			byLabel[label] = sum
			sums = append(sums, sum)
		}
		sum.times++
		sum.on += s.run.OnFor(f, s.run.Now)
		sum.seen, sum.hit, sum.inapplic = sum.seen+f.Seen, sum.hit+f.Hit, sum.inapplic+f.Inapplicable
		sum.uncounted = sum.uncounted || f.Uncounted
		switch f.State {
		case view.FaultUnclean:
			sum.unclean++
		case view.FaultExpired:
			sum.expired++
			sum.expiredError = errorText(f.Error)
		case view.FaultFailed:
			sum.never++
			sum.neverError = errorText(f.Error)
		}
	}
	for _, sum := range sums {
		s.faultSum(sum)
	}
	s.block(plain, "faults")
}

func (s *summary) faultSum(f *faultSum) {
	c, text := magenta, ""
	if f.times > f.never {
		text = "on " + short(f.on)
		if f.expired > 0 {
			text += " as far as is known"
		}
		if f.times > 1 {
			text += fmt.Sprintf(" in %d times", f.times-f.never)
		}
		if f.uncounted {
			text += ", not counted"
		} else {
			text += fmt.Sprintf(", seen %d, hit %d", f.seen, f.hit)
			if f.kind == "packet_loss" && f.hit > 0 { // else it reads as if all were lost
				text += ", of which it may lose packets"
			}
		}
		if f.inapplic > 0 {
			text += fmt.Sprintf(", inapplicable %d", f.inapplic)
		}
	}
	if f.never > 0 {
		c = red
		if text != "" {
			text += "; "
		}
		text += "never went on" + withMessage(f.neverError)
	}
	if f.expired > 0 {
		text += ", went off by itself" + withMessage(f.expiredError)
		if f.times > 1 {
			text += fmt.Sprintf(" (%d times)", f.expired)
		}
	}
	if f.unclean > 0 {
		c = red
		text += ", not confirmed off"
	}
	s.entry(c, f.label, text)
}
