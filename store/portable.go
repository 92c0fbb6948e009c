package store

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"starquake/runtime/journal"
)

// An exported run is JSON lines: first one object with the run's Info and what a clean-up
// did, then its journal as it stands, a record a line. The journal begins with the scripts'
// texts, so the file is the whole run.

// exportHead is the first line.
type exportHead struct {
	// Export is the version of this form.
	Export int  `json:"starquake_run"`
	Info   Info `json:"info"`
	// Records is how many follow, by which a file shows that some were cut out; 0 in older ones.
	Records int `json:"records,omitempty"`
	// Cleaned is what was taken off when nobody ran the run any more, End its end where the
	// journal has none, since a clean-up made it.
	Cleaned *Cleaned `json:"cleaned,omitempty"`
	End     *End     `json:"end,omitempty"`
}

const exportVersion = 1

// Export writes a run as JSON lines.
func (s *Store) Export(id string, w io.Writer) error {
	// It is read twice, so that there is never more of it in memory than a piece: whoever
	// takes it may be slow, and others may ask for it too. It may grow in between.
	var about Entry
	count, last := 0, journal.Kind("")
	err := s.Pieces(id, func(e Entry) error { about = e; return nil }, func(recs []journal.Record) error {
		count, last = count+len(recs), recs[len(recs)-1].Kind
		return nil
	})
	if err != nil {
		return err
	}
	of := exportHead{Export: exportVersion, Info: about.Info, Cleaned: about.Cleaned, Records: count}
	if last != journal.RunEnd {
		of.End = about.End
	}
	head, err := json.Marshal(of)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	return s.Pieces(id, func(Entry) error { return nil }, func(recs []journal.Record) error {
		recs = recs[:min(count, len(recs))]
		count -= len(recs)
		return journal.Write(w, recs)
	})
}

// maxImport bounds an exported run.
const maxImport = 4 << 30

// Import takes up a run that Export wrote, whole or not at all, and returns its id. A
// run of that id must not be there.
func (s *Store) Import(r io.Reader) (id string, err error) {
	in := bufio.NewReaderSize(io.LimitReader(r, maxImport), 1<<16)
	line, err := readLine(in)
	if err != nil {
		return "", fmt.Errorf("line 1: expected a run as `starquake runs export` writes it: %w", err)
	}
	var head exportHead
	if err := json.Unmarshal(line, &head); err != nil || head.Export == 0 {
		return "", errors.New("line 1: expected a run as `starquake runs export` writes it")
	}
	if head.Export > exportVersion {
		return "", fmt.Errorf("line 1: the form has version %d, this version knows up to %d", head.Export, exportVersion)
	}
	if err := checkID(head.Info.ID); err != nil {
		return "", fmt.Errorf("line 1: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Join(s.dir, runsFolder), newPrefix)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	if err := importInto(dir, &head, in); err != nil {
		return "", err
	}
	to := s.RunDir(head.Info.ID)
	if _, serr := os.Lstat(to); serr == nil {
		return "", fmt.Errorf("run %s is there already", head.Info.ID)
	}
	if err := os.Rename(dir, to); err != nil {
		return "", err
	}
	return head.Info.ID, syncFolder(filepath.Dir(to))
}

// importInto fills a new folder.
func importInto(dir string, head *exportHead, in *bufio.Reader) (err error) {
	head.Info.Imported = true
	text, err := marshal(head.Info)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, infoFile), text); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if _, err := io.Copy(f, in); err != nil {
		return err
	}
	length, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	recs, size, err := readJournal(f)
	if err != nil {
		return err
	}
	if len(recs) == 0 || size != length {
		return fmt.Errorf("the file ends in the middle of a record, after %d records", len(recs))
	}
	if err := cmp.Or(head.complete(recs), whole(recs)); err != nil {
		return fmt.Errorf("the journal is not whole: %w", err)
	}
	if err := datasync(f); err != nil {
		return err
	}
	if head.Cleaned != nil {
		if err := writeCleaned(dir, *head.Cleaned); err != nil {
			return err
		}
	}
	if head.End != nil {
		if err := writeEnd(dir, head.End, (*os.File).Sync); err != nil {
			return err
		}
	}
	return finishFolder(dir, recs) // an end in the journal is the one that counts
}
