package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Version is the version of the data folder's format.
const Version = 1

// Options are those of a store. The zero value works.
type Options struct {
	// SegmentSize is from how many bytes on the log goes on in a new file; 0 is 64 MiB.
	SegmentSize int64
	// Logger gets what was repaired; nil: nothing.
	Logger *slog.Logger
}

// Store is a data folder, opened by this process. Its methods may be called from any
// goroutine.
type Store struct {
	dir    string
	opt    Options
	logger *slog.Logger

	mu     sync.Mutex
	log    *wal // nil until the first run is written
	closed bool
	runs   map[*Run]bool // by this process, while they are open
	// cramped is why the last run that was to be created was not, where there was no room for it.
	cramped error
	// closing ends the heartbeat, which begins with the log; beaten is closed when it has ended.
	closing, beaten chan struct{}
}

// Open opens the data folder, makes it if it is not there, and completes what
// processes that died have left (see Repair). A folder of a later version is refused.
func Open(dir string, opt Options) (*Store, error) {
	if opt.SegmentSize <= 0 {
		opt.SegmentSize = 64 << 20
	}
	s := &Store{dir: dir, opt: opt, logger: opt.Logger, runs: map[*Run]bool{}, closing: make(chan struct{}), beaten: make(chan struct{})}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	for _, sub := range []string{runsFolder, walFolder} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("the data folder: %w", err)
		}
	}
	if err := s.checkVersion(); err != nil {
		return nil, err
	}
	if err := s.Repair(); err != nil {
		return nil, err
	}
	return s, nil
}

const (
	runsFolder  = "runs"
	walFolder   = "wal"
	versionFile = "version"
)

// checkVersion reads the format's version, or writes it into a new folder.
func (s *Store) checkVersion() error {
	path := filepath.Join(s.dir, versionFile)
	text, err := os.ReadFile(path)
	if isMissing(err) {
		return replaceFile(path, []byte(strconv.Itoa(Version)+"\n"))
	}
	if err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(text)))
	switch {
	case err != nil || version < 0:
		return fmt.Errorf("%s holds %q; expected the number of a format", path, text)
	case version > Version:
		return fmt.Errorf("%s: the data folder has format %d, this version knows up to %d; use a later version, or another folder", path, version, Version)
	}
	return s.migrate(version, migrations)
}

// migrations bring a data folder of a version, counted from 0, to the next one. Each can
// be done again: the program may be killed in it.
var migrations = []func(dir string) error{
	func(string) error { return nil }, // before the first release there was nothing to bring over
}

// migrate brings the folder from its version to this program's.
func (s *Store) migrate(version int, steps []func(dir string) error) error {
	for ; version < len(steps); version++ {
		s.logger.Info("the data folder is brought to a later format", "from", version, "to", version+1)
		if err := steps[version](s.dir); err != nil {
			return fmt.Errorf("bringing the data folder from format %d to %d: %w", version, version+1, err)
		}
		if err := replaceFile(filepath.Join(s.dir, versionFile), []byte(strconv.Itoa(version+1)+"\n")); err != nil {
			return fmt.Errorf("the data folder: %w", err)
		}
	}
	return nil
}

// Dir is the data folder.
func (s *Store) Dir() string { return s.dir }

// RunDir is the folder of a run, which need not be there.
func (s *Store) RunDir(id string) string { return filepath.Join(s.dir, runsFolder, id) }

// openLog gives the write-ahead log of this process, and begins it the first time.
func (s *Store) openLog() (*wal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the store is closed")
	}
	if s.log == nil {
		log, err := newWAL(filepath.Join(s.dir, walFolder), filepath.Join(s.dir, runsFolder), s.opt.SegmentSize, s.logger)
		if err != nil {
			return nil, fmt.Errorf("the write-ahead log: %w", err)
		}
		s.log = log
		go s.beat()
	}
	return s.log, nil
}

// ErrNoRoom says that there is no room on the disk: once there is some, writing goes on by itself.
var ErrNoRoom = errors.New("there is no room on the disk")

// Check says why this process can keep no run now, nil if it can as far as is known. But for
// ErrNoRoom that stays so until the process is started again.
func (s *Store) Check() error {
	s.mu.Lock()
	log, cramped := s.log, s.cramped
	s.mu.Unlock()
	if log != nil {
		if err := log.check(); err != nil {
			return err
		}
	}
	if cramped == nil || s.roomy() {
		return nil
	}
	return &noRoom{cramped}
}

// roomy reports whether there is room for another run, by trying.
func (s *Store) roomy() bool {
	dir, err := os.MkdirTemp(filepath.Join(s.dir, runsFolder), newPrefix)
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	if os.WriteFile(filepath.Join(dir, infoFile), make([]byte, 1<<16), 0o600) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cramped = nil
	return true
}

// orCramped notes of a run that could not be created whether that was for want of room.
func (s *Store) orCramped(err error) error {
	if !wantsRoom(err) || errors.Is(err, ErrNoRoom) { // of which the log knows
		return err
	}
	s.cramp(err)
	return &noRoom{err}
}

// cramp notes that there was no room for a run, until there is.
func (s *Store) cramp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cramped == nil {
		s.logger.Error("there is no room for another run", "error", err)
	}
	s.cramped = err
}

// Close makes everything durable in its own place and drops the log. Every run must
// have been closed.
func (s *Store) Close() error {
	s.mu.Lock()
	was, log := s.closed, s.log
	s.closed = true
	s.mu.Unlock()
	if log == nil {
		return nil
	}
	if !was {
		close(s.closing)
	}
	<-s.beaten
	return log.close()
}
