package store

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"starquake/runtime/journal"
)

// maxLine bounds one record; answers are cut long before.
const maxLine = 64 << 20

// readJournal reads the records of a journal, and says how long the part is that holds
// them; see eachRecord. Damage is an error, with what stands before it.
func readJournal(f io.ReadSeeker) (recs []journal.Record, size int64, err error) {
	size, err = eachRecord(f, func(rec journal.Record) error {
		recs = append(recs, rec)
		return nil
	})
	return recs, size, err
}

// eachRecord calls fn for the records of a journal, and says how long the part is that holds
// them: a last line without an end, or with zeros where the machine stopped before the
// text was written, is not part of it. Damage before the last line is an error, as is one of fn.
func eachRecord(f io.ReadSeeker, fn func(journal.Record) error) (size int64, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	in := bufio.NewReaderSize(f, 1<<16)
	for n := 0; ; n++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, &damage{size, n + 1, err}
		}
		var rec journal.Record
		if err := json.Unmarshal(line, &rec); err != nil {
			if rest, _ := in.Peek(1); len(rest) == 0 || isZero(line) {
				return size, nil
			}
			return size, &damage{size, n + 1, err}
		}
		if n == 0 {
			if err := checkFormat(&rec); err != nil {
				return 0, err
			}
		}
		if err := fn(rec); err != nil {
			return size, err
		}
		size += int64(len(line)) + 1
	}
}

// ErrDamaged says that a journal cannot be read as a whole.
var ErrDamaged = errors.New("the journal is damaged")

// damage is where a journal cannot be read on.
type damage struct {
	at   int64 // the byte at which the first line stands that cannot be read
	line int
	err  error
}

func (d *damage) Error() string {
	return fmt.Sprintf("its journal is damaged at byte %d, line %d: %v", d.at, d.line, d.err)
}

func (d *damage) Unwrap() error { return d.err }

func (d *damage) Is(err error) bool { return err == ErrDamaged }

// readLines reads the records of a journal that is damaged: every line that is one.
func readLines(f io.ReadSeeker) (recs []journal.Record) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil
	}
	in := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := readLine(in)
		if err != nil {
			return recs
		}
		var rec journal.Record
		if json.Unmarshal(line, &rec) == nil {
			recs = append(recs, rec)
		}
	}
}

// ReadFile reads a run from a file or a stream: one that Export wrote, or a journal
// alone, of which nothing but its records is known. A last line that was cut off is left
// out, as in the journal of a run whose machine stopped. One without an end counts as
// interrupted: nobody can know whether it goes on. One with an end from which lines are
// missing is an error: what it says of its verdict is then not of what it shows.
func ReadFile(r io.Reader) (e Entry, recs []journal.Record, err error) {
	in := bufio.NewReaderSize(io.LimitReader(r, maxImport), 1<<16)
	e.Status = Interrupted
	var head exportHead
	for n := 1; ; n++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) && n > 1 {
			break
		}
		if errors.Is(err, io.EOF) {
			return e, nil, errors.New("line 1: expected a journal, or a run as `starquake runs export` writes it")
		}
		if err != nil {
			return e, nil, fmt.Errorf("line %d: %w", n, err)
		}
		if n == 1 {
			if json.Unmarshal(line, &head) == nil && head.Export > 0 {
				if head.Export > exportVersion {
					return e, nil, fmt.Errorf("line 1: the form has version %d, this version knows up to %d", head.Export, exportVersion)
				}
				e.Info, e.Cleaned, e.End = head.Info, head.Cleaned, head.End
				continue
			}
		}
		var rec journal.Record
		if err := json.Unmarshal(line, &rec); err != nil {
			if rest, _ := in.Peek(1); len(rest) == 0 && len(recs) > 0 {
				break
			}
			if n == 1 {
				return e, nil, errors.New("line 1: expected a journal, or a run as `starquake runs export` writes it")
			}
			return e, nil, fmt.Errorf("line %d is damaged: %w", n, err)
		}
		if len(recs) == 0 {
			if err := checkFormat(&rec); err != nil {
				return e, nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		recs = append(recs, rec)
	}
	if len(recs) > 0 {
		e.End = cmp.Or(endOf(&recs[len(recs)-1]), e.End)
	}
	if e.End == nil {
		return e, recs, nil
	}
	e.Status = Ended
	if err := cmp.Or(head.complete(recs), whole(recs)); err != nil {
		return e, nil, fmt.Errorf("the journal is not whole: %w; lines were cut out of it, so nobody knows whether it ended as it says", err)
	}
	return e, recs, nil
}

// checkFormat refuses a journal of a later version.
func checkFormat(first *journal.Record) error {
	body, ok := first.Body.(*journal.RunBeginBody)
	if !ok {
		return fmt.Errorf("its journal begins with %q; expected %q", first.Kind, journal.RunBegin)
	}
	if body.Format > journal.FormatVersion {
		return fmt.Errorf("its journal has format %d, this version knows up to %d; use a later version", body.Format, journal.FormatVersion)
	}
	return nil
}

// readLine returns a line without its end, or io.EOF where none is complete.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxLine:
			return nil, fmt.Errorf("a line has more than %d bytes", maxLine)
		}
	}
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// Read gives what is known of a run, whoever holds it: what its journal has by now.
func (s *Store) Read(id string) (Entry, []journal.Record, error) {
	e, err := s.Entry(id)
	if err != nil {
		return e, nil, err
	}
	f, err := os.Open(filepath.Join(s.RunDir(id), journalFile))
	if err != nil {
		return e, nil, fmt.Errorf("run %s: %w", id, err)
	}
	defer f.Close()
	recs, _, err := readJournal(f)
	if err != nil {
		return e, nil, fmt.Errorf("run %s: %w", id, err)
	}
	return e, recs, nil
}

// pieceRecords is how many records Pieces gives at once, at most.
const pieceRecords = 64

// Pieces calls fn with the records of a run that its journal has by now, some at a time: who
// passes them on to somebody slow holds no more of them than that. What is known of the run
// comes first, in head.
func (s *Store) Pieces(id string, head func(Entry) error, fn func([]journal.Record) error) error {
	e, err := s.Entry(id)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(s.RunDir(id), journalFile))
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	defer f.Close()
	if err := head(e); err != nil {
		return err
	}
	var recs []journal.Record
	var told error // what fn says is not about the run
	give := func() error {
		told = fn(recs)
		recs = nil // fn may keep them
		return told
	}
	_, err = eachRecord(f, func(rec journal.Record) error {
		if recs = append(recs, rec); len(recs) < pieceRecords {
			return nil
		}
		return give()
	})
	switch {
	case told != nil:
		return told
	case err != nil:
		return fmt.Errorf("run %s: %w", id, err)
	case len(recs) > 0:
		return give()
	}
	return nil
}
