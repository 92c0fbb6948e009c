package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The names begin so of what is being made and has no name yet, and of what is being removed:
// no list has it.
const (
	newPrefix  = ".new-"
	gonePrefix = ".gone-"
)

// checkID accepts what may be the name of a run's folder.
func checkID(id string) error {
	if id == "" || len(id) > 100 || strings.HasPrefix(id, ".") || strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}) {
		return fmt.Errorf("%q cannot be the id of a run: expected letters, digits, \"-\", \"_\" and \".\"", id)
	}
	return nil
}

// replaceFile writes a file whole or not at all, and durably.
func replaceFile(path string, text []byte) error {
	if err := writeFile(path, text, (*os.File).Sync); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// writeFile writes a file so that a reader sees the old or the new one, whole. before
// is done to it before it gets its name.
func writeFile(path string, text []byte, before ...func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	for _, do := range before {
		if err == nil {
			err = do(f)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// syncFile makes a file durable.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error { return syncFile(dir) }

// marshal writes v for people.
func marshal(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

// maxDocument bounds the small files that are read whole.
const maxDocument = 64 << 20

// readJSON reads a small file; one that is not there is fs.ErrNotExist.
func readJSON(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return err
	}
	if len(text) > maxDocument {
		return fmt.Errorf("%s has more than %d bytes", path, maxDocument)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
