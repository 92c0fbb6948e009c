package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"starquake/runtime/journal"
)

// BenchmarkTurns is durable turns: each appends two records and waits for the disk.
// runs of them write at once.
func BenchmarkTurns(b *testing.B) {
	for _, runs := range []int{1, 64, 10_000} {
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			all := make([]*Run, runs)
			for i := range all {
				info, begin := started(fmt.Sprintf("run-%05d", i))
				if all[i], err = s.Create(info); err == nil {
					err = all[i].Append([]journal.Record{begin})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			var next atomic.Int64
			b.SetParallelism(runs)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				r := all[int(next.Add(1)-1)%runs]
				for n := 1; pb.Next(); n++ {
					if err := r.Append([]journal.Record{slept(n), slept(n)}); err != nil {
						b.Error(err)
					}
					if err := r.Sync(); err != nil {
						b.Error(err)
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
			for _, r := range all {
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkBare is what the disk does alone: the bytes of a turn appended to one file and
// synced.
func BenchmarkBare(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var turn []byte
	for n := range 2 {
		rec := slept(n)
		if turn, err = rec.AppendJSON(turn); err != nil {
			b.Fatal(err)
		}
		turn = append(turn, '\n')
	}
	for b.Loop() {
		if _, err := f.Write(turn); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
}

// BenchmarkRun is a whole short run: begun, one durable turn, ended, closed.
func BenchmarkRun(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var next atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			info, begin := started(fmt.Sprintf("run-%08d", next.Add(1)))
			r, err := s.Create(info)
			if err != nil {
				b.Error(err)
				return
			}
			for _, recs := range [][]journal.Record{{begin, slept(1)}, {ended}} {
				if err := r.Append(recs); err != nil {
					b.Error(err)
				}
				if err := r.Sync(); err != nil {
					b.Error(err)
				}
			}
			if err := r.Close(); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}
