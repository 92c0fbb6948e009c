// Package audit notes who asked the server for what, and what came of it: a file of JSON
// lines that is only ever appended to.
//
//	audit/current.jsonl                 what is written now
//	audit/2026-05-01T12-00-00.000Z.jsonl   a file that was full, by when it was closed
//
// What asks for a change is durable before it is answered. No entry has a body, a
// parameter or a token: what cannot be in it cannot leak from it.
//
// What may not live here: who may do what (package auth), and removing files: how long they
// are kept is for those to say who must answer for them.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Entry is one request.
type Entry struct {
	Time time.Time `json:"time"`
	// Who asked, with which role, known by what: see auth.Identity. "" is nobody.
	Who  string `json:"who"`
	Role string `json:"role,omitempty"`
	Kind string `json:"kind,omitempty"`
	// From is the address that the request came from.
	From string `json:"from"`
	// What is the operation, On the path of what it was about.
	What string `json:"what"`
	On   string `json:"on"`
	// Status is the answer's, Code that of what went wrong.
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`
	// Request is the request's id, as in the server's log.
	Request string `json:"request"`
}

// maxField bounds a text of an entry, in bytes.
const maxField = 300

// DefaultSize is from how many bytes on the log goes on in a new file.
const DefaultSize = 64 << 20

// current is the file that is written.
const current = "current.jsonl"

// Log is an audit log. Its methods may be called from any goroutine.
type Log struct {
	dir  string
	size int64
	now  func() time.Time

	mu      sync.Mutex
	file    *os.File
	length  int64
	written uint64 // entries
	failed  error  // of the last write

	syncing sync.Mutex
	synced  uint64 // of the entries
}

// Open opens the log in a folder, which it makes. A size of 0 is DefaultSize.
func Open(dir string, size int64, now func() time.Time) (*Log, error) {
	if size <= 0 {
		size = DefaultSize
	}
	l := &Log{dir: dir, size: size, now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the audit log: %w", err)
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("the audit log: %w", err)
	}
	return l, nil
}

// open opens the current file. A line that a crash cut off is ended, so that what comes
// next is a line of its own.
func (l *Log) open() error {
	f, err := os.OpenFile(filepath.Join(l.dir, current), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	length := info.Size()
	if length > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, length-1); err != nil {
			return errors.Join(err, f.Close())
		}
		if last[0] != '\n' {
			n, err := f.WriteString("\n")
			if err != nil {
				return errors.Join(err, f.Close())
			}
			length += int64(n)
		}
	}
	l.file, l.length = f, length
	return nil
}

// Append notes an entry. With durable it returns once the entry survives a crash; one sync
// serves all that wait.
func (l *Log) Append(e Entry, durable bool) error {
	e.Time = l.now().UTC()
	for _, field := range []*string{&e.Who, &e.Role, &e.Kind, &e.From, &e.What, &e.On, &e.Code, &e.Request} {
		*field = strings.ToValidUTF8((*field)[:min(len(*field), maxField)], "\ufffd")
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("the audit log: %w", err)
	}
	number, err := l.write(append(line, '\n'))
	if err == nil && durable {
		err = l.sync(number)
	}
	if err != nil {
		return fmt.Errorf("the audit log: %w", err)
	}
	return nil
}

// write writes a line and gives its number.
func (l *Log) write(line []byte) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return 0, fs.ErrClosed
	}
	if l.length > 0 && l.length+int64(len(line)) > l.size {
		if l.failed = l.rotate(); l.failed != nil {
			return 0, l.failed
		}
	}
	n, err := l.file.Write(line)
	l.length += int64(n)
	if err != nil && n > 0 {
		// What is there of the line is ended, as after a crash.
		m, _ := l.file.WriteString("\n")
		l.length += int64(m)
	}
	if l.failed = err; err != nil {
		return 0, err
	}
	l.written++
	return l.written, nil
}

// rotate closes the current file, durable and under a name that tells when, and begins
// another.
func (l *Log) rotate() error {
	if err := l.file.Sync(); err != nil {
		return err
	}
	name := l.now().UTC().Format("2006-01-02T15-04-05.000Z")
	path := filepath.Join(l.dir, name+".jsonl")
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			break
		}
		path = filepath.Join(l.dir, fmt.Sprintf("%s-%d.jsonl", name, n))
	}
	if err := os.Rename(filepath.Join(l.dir, current), path); err != nil {
		return err
	}
	old := l.file
	if err := l.open(); err != nil {
		l.file, l.length = old, 0 // the old one goes on, under its new name
		return err
	}
	return old.Close()
}

// sync makes the entries up to a number durable.
func (l *Log) sync(number uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.synced >= number {
		return nil
	}
	l.mu.Lock()
	f, upTo := l.file, l.written
	l.mu.Unlock()
	if f == nil {
		return fs.ErrClosed
	}
	err := f.Sync()
	if errors.Is(err, os.ErrClosed) {
		err = nil // rotated meanwhile, which syncs
	}
	if err == nil {
		l.synced = upTo
	}
	return err
}

// Failing gives why the last entry could not be written, nil if it could be. Where it
// could not, nothing should be changed that nobody could account for.
func (l *Log) Failing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Close ends the log; everything in it is durable.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.file.Sync(), l.file.Close())
	l.file = nil
	return err
}
