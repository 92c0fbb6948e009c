package view

import (
	"starquake/runtime/journal"
)

// slabSize is how many steps are allocated at once. One by one, 100 000 steps
// took 1.3 times as long.
const slabSize = 256

func (f *Fold) stepBegin(at journal.Place, b *journal.StepBeginBody) {
	if f.steps[at] != nil || f.run.State == Ended {
		return
	}
	if len(f.slab) == 0 {
		f.slab = make([]Step, slabSize)
	}
	s := &f.slab[0]
	f.slab = f.slab[1:]

	r := &f.run
	br := f.branch(at.Branch)
	*s = Step{
		ID: at.String(), Path: b.Path, Name: b.Name, Index: len(r.Steps), Parent: -1,
		Labels: b.Labels, Pos: b.Pos, Status: StepWaiting,
		Begun: r.Now, Start: r.Now, End: r.Now,
		Delay: b.Delay, Planned: b.Duration, Timeout: b.Timeout, Retries: b.Retries,
	}
	if p := br.inner(); p != nil {
		s.Parent, s.Depth = p.Index, p.Depth+1
	}
	f.step = s
	r.Steps = append(r.Steps, s)
	r.Counts.Steps++
	f.steps[at] = s
	br.steps = append(br.steps, openStep{at.Op, s})
}

func (f *Fold) stepTry(at journal.Place, b *journal.StepTryBody) {
	s := f.steps[at]
	if s == nil {
		return
	}
	f.step = s
	now := f.run.Now
	if s.Status == StepWaiting {
		s.Status, s.Start, s.End = StepRunning, now, now
	}
	if s.Tries > 0 && len(s.Retried) < maxRetried {
		s.Retried = append(s.Retried, now)
	}
	s.Tries, s.TryAt, s.TryClock = max(s.Tries+1, b.Try), now, f.run.Elapsed(now)
}

func (f *Fold) stepEnd(at journal.Place, b *journal.StepEndBody) {
	s := f.steps[at]
	if s == nil {
		return
	}
	f.step = s
	delete(f.steps, at)
	if br := f.branches[at.Branch]; br != nil {
		f.closeWithin(br, at.Op)
		if n := len(br.steps); n > 0 && br.steps[n-1].step == s {
			br.steps = br.steps[:n-1]
		}
	}
	if b.Started > 0 && s.Tries == 0 {
		s.Start = min(max(b.Started, s.Begun), f.run.Now)
	}
	s.Tries = max(s.Tries, b.Tries)
	s.Error, s.Reason, s.Tolerated, s.Disturbed = b.Error, b.Reason, b.Tolerate, b.Disturbed
	if b.Status == journal.Failed && !b.Tolerate && len(f.failed) < MaxFailed {
		f.failed[at] = failed{step: s}
	}
	f.closeStep(s, b.Status)
}

// closeStep ends s now.
func (f *Fold) closeStep(s *Step, status journal.Status) {
	r := &f.run
	s.End, s.Sleep = r.Now, nil
	switch status {
	case journal.Passed:
		r.Counts.Passed++
		if s.Tries > 1 {
			r.Flaky++
		}
	case journal.Failed:
		r.Counts.Failed++
		if s.Tolerated {
			r.Tolerated++
		}
	case journal.Skipped:
		r.Counts.Skipped++
	default:
		status = journal.Stopped // an unknown status is no success
		r.Counts.Stopped++
	}
	s.Status = status
}

func (f *Fold) sleep(at journal.Place, b *journal.SleepBody) {
	br := f.branch(at.Branch)
	s := br.inner()
	if s == nil || s.Over() {
		return
	}
	switch b.Why {
	case "", "delay", "retry":
		br.sleep = at
		s.Sleep = &Sleep{Since: f.run.Now, Clock: f.run.Elapsed(f.run.Now), For: b.For, Why: b.Why}
	}
}

func (f *Fold) timer(at journal.Place) {
	br := f.branches[at.Branch]
	if br == nil || br.sleep != at {
		return
	}
	br.sleep = journal.Place{}
	if s := br.inner(); s != nil {
		s.Sleep = nil
	}
}
