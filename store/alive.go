package store

import (
	"os"
	"path/filepath"
	"time"
)

// A run that waits writes nothing, maybe for hours. So that who takes it up can tell since
// when nobody ran it, the time of its journal's last change moves on while a process holds
// it: once a second, or less often where there are thousands of runs.
const (
	beatEvery   = time.Second
	beatsAtOnce = 200
)

// beat moves the times on until the store is closed.
func (s *Store) beat() {
	defer close(s.beaten)
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	var round []*Run // those whose turn is yet to come
	for {
		select {
		case <-s.closing:
			return
		case now := <-ticker.C:
			if len(round) == 0 {
				round = s.heldRuns()
			}
			n := min(len(round), beatsAtOnce)
			for _, r := range round[:n] {
				r.beat(now)
			}
			round = round[n:]
		}
	}
}

func (s *Store) heldRuns() []*Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := make([]*Run, 0, len(s.runs))
	for r := range s.runs {
		runs = append(runs, r)
	}
	return runs
}

// hold and letGo say which runs this process holds.
func (s *Store) hold(r *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[r] = true
}

func (s *Store) letGo(r *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, r)
}

func (r *Run) beat(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		_ = os.Chtimes(filepath.Join(r.dir, journalFile), time.Time{}, now) // it only tells how long a gap was
	}
}

// Alive is when the process that held the run before this one is last known to have
// been there, within a second where it held fewer than some hundred runs.
func (r *Run) Alive() time.Time { return r.alive }

// changed is when a file was last changed; the zero time if that cannot be told.
func changed(f *os.File) time.Time {
	info, err := f.Stat()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
