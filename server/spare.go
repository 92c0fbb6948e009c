package server

import (
	"fmt"
	"os"
)

// spareFiles is how many files may still be opened when a run has been taken up that was interrupted.
// Each holds some open: a server that took up as many as it can would answer nobody, and not even begin.
const spareFiles = 24

// spared does something that keeps files open, where some may be opened besides.
func spared(do func() error) error {
	spare := make([]*os.File, 0, spareFiles)
	defer func() {
		for _, f := range spare {
			_ = f.Close()
		}
	}()
	for len(spare) < spareFiles {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return fmt.Errorf("nearly as many files are open as may be: %w", err)
		}
		spare = append(spare, f)
	}
	return do()
}
