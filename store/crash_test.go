package store

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"starquake/runtime/journal"
)

// childEnv tells the test binary to be the writer that is killed.
const childEnv = "STARQUAKE_STORE_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		write(dir)
		return
	}
	os.Exit(m.Run())
}

// write keeps records of several runs for ever, and says on stdout which turns are
// durable: "run turn".
func write(dir string) {
	s, err := Open(dir, Options{SegmentSize: 20_000})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			id := fmt.Sprintf("run-%d-%d", os.Getpid(), i)
			info, begin := started(id)
			r, err := s.Create(info)
			if err == nil {
				err = r.Append([]journal.Record{begin})
			}
			for n := 1; err == nil; n++ {
				if err = errors.Join(r.Append([]journal.Record{slept(n)}), r.Sync()); err == nil {
					mu.Lock()
					_, err = fmt.Println(id, n)
					mu.Unlock()
				}
			}
			fmt.Println("error", err)
		})
	}
	wg.Wait()
}

// TestKilled kills writers at any moment, and expects of each run every turn that the
// writer was told is durable.
func TestKilled(t *testing.T) {
	rounds := 15
	if n, err := strconv.Atoi(os.Getenv("STARQUAKE_CRASHES")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	told := map[string]int{}
	for range rounds {
		killOne(t, dir, told)
	}
	s := open(t, dir, Options{})
	if len(told) == 0 {
		t.Fatal("no writer came to write anything")
	}
	for id, turns := range told {
		r, recs, err := s.Resume(id)
		if err != nil {
			t.Errorf("run %s: %v", id, err)
			continue
		}
		if len(recs)-1 < turns {
			t.Errorf("run %s has %d turns; %d were acknowledged", id, len(recs)-1, turns)
		}
		for n, rec := range recs[1:] {
			if rec.Place.Op != uint32(n+1) {
				t.Fatalf("run %s: turn %d stands where %d belongs", id, rec.Place.Op, n+1)
			}
		}
		must(t, r.Close())
	}
	t.Logf("%d kills, %d runs", rounds, len(told))
}

// killOne starts a writer, kills it after some turns, and notes what it was told.
func killOne(t *testing.T, dir string, told map[string]int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	after := 1 + rand.IntN(300)
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		id, turn, _ := strings.Cut(lines.Text(), " ")
		if id == "error" {
			t.Fatalf("the writer failed: %s", turn)
		}
		if told[id], err = strconv.Atoi(turn); err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		if n == after {
			must(t, cmd.Process.Kill()) // what it said until then still comes
		}
	}
	_ = cmd.Wait()
}
