package store

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const cleanedFile = "cleaned.json"

// Cleaned says what was taken off of a run when nobody ran it any more: its process had
// died, or it had ended unclean. The journal cannot have it, since what is in there is the
// run's own doing, and is done again when it is recovered.
type Cleaned struct {
	// Off are the times at which faults were confirmed off, by the places in the journal at
	// which they were asked for.
	Off map[string]time.Time `json:"off,omitempty"`
	// All says that nothing of the run is on any more.
	All bool `json:"all,omitempty"`
}

// Note notes that the fault that was asked for at a place is off now.
func (c *Cleaned) Note(place string) {
	if c.Off == nil {
		c.Off = map[string]time.Time{}
	}
	c.Off[place] = time.Now().UTC()
}

// Cleaned is what was taken off of the run; the zero value where nothing was.
func (r *Run) Cleaned() (c Cleaned, err error) { return readCleaned(r.dir) }

// NoteCleaned notes durably what was taken off.
func (r *Run) NoteCleaned(c Cleaned) error { return writeCleaned(r.dir, c) }

func writeCleaned(dir string, c Cleaned) error {
	text, err := marshal(c)
	if err == nil {
		err = replaceFile(filepath.Join(dir, cleanedFile), text)
	}
	if err != nil {
		return fmt.Errorf("run %s: noting what is off: %w", filepath.Base(dir), err)
	}
	return nil
}

// ForgetCleaned is for who goes on with the run, before anything of it can be on again.
func (r *Run) ForgetCleaned() error {
	err := os.Remove(filepath.Join(r.dir, cleanedFile))
	if isMissing(err) {
		return nil
	}
	if err == nil {
		err = syncFolder(r.dir)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", r.id, err)
	}
	return nil
}

func readCleaned(dir string) (c Cleaned, err error) {
	return c, ignoreMissing(readJSON(filepath.Join(dir, cleanedFile), &c))
}
