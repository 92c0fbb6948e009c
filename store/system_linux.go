package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFS syncs the file system of f; since Linux 5.8 it reports failures.
func syncFS(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// datasync makes what was written to f durable.
func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}
