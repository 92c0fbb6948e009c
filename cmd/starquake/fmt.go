package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"starquake/app"
	"starquake/dsl"
)

// fmtCmd is `starquake fmt`.
type fmtCmd struct {
	Files []string `arg:"" predictor:"orchestration" name:"file" help:"Files to lay out; - takes stdin and writes stdout."`
	Check bool     `help:"Change nothing; list the files that are laid out otherwise and exit with 1."`
}

// maxStdin bounds a script on stdin: what a file may have, and a byte to see that it is more.
const maxStdin = 4<<20 + 1

// Run lays the files out in place and prints the names of those that changed.
func (c *fmtCmd) Run(sh *shell) error {
	changed, wrong := false, false
	for _, path := range c.Files {
		did, err := c.one(sh, path)
		if err != nil {
			wrong = true
			sh.formatError(path, err)
		}
		changed = changed || did
	}
	switch {
	case wrong:
		return ended(codeInvalid)
	case changed && c.Check:
		return ended(codeFailed)
	}
	return nil
}

// one lays out one file and reports whether it was laid out otherwise.
func (c *fmtCmd) one(sh *shell, path string) (bool, error) {
	if path == "-" {
		return c.stdin(sh)
	}
	if app.IsOrchestrationFile(path) {
		return false, fmt.Errorf("%s: fmt lays out Starlark; expected a file whose name ends in .star", path)
	}
	path, err := resolved(path)
	if err != nil {
		return false, err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	after, err := dsl.Format(path, before)
	if err != nil || bytes.Equal(before, after) {
		return false, err
	}
	if !c.Check {
		if err := replace(path, after); err != nil {
			return false, err
		}
	}
	_, err = fmt.Fprintln(sh.out, path)
	return true, err
}

func (c *fmtCmd) stdin(sh *shell) (bool, error) {
	before, err := io.ReadAll(io.LimitReader(sh.in, maxStdin))
	if err != nil {
		return false, err
	}
	after, err := dsl.Format("stdin", before)
	if err != nil {
		return false, err
	}
	differs := !bytes.Equal(before, after)
	if c.Check {
		if differs {
			_, err = fmt.Fprintln(sh.out, "stdin")
		}
		return differs, err
	}
	_, err = sh.out.Write(after)
	return differs, err
}

// resolved is the file behind a symbolic link, which stays one.
func resolved(path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s: there is no such file", path)
	case err != nil:
		return "", err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		return filepath.EvalSymlinks(path)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	return path, nil
}

// replace puts content in the place of a file at once, with the same mode: whoever
// reads it meanwhile reads the old or the new.
func replace(path string, content []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return writeAtOnce(path, content, info.Mode().Perm())
}

// writeAtOnce writes a file beside the place where it goes, and puts it there whole.
func writeAtOnce(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".starquake-*")
	var at *fs.PathError
	if errors.As(err, &at) { // that is of a name which nobody gave
		return &fs.PathError{Op: "create", Path: path, Err: at.Err}
	}
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename it is not there
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// formatError says what is wrong with a file.
func (sh *shell) formatError(path string, err error) {
	var diags dsl.Diagnostics
	if !errors.As(err, &diags) {
		sh.complain(err)
		return
	}
	text, _ := os.ReadFile(path)
	sh.render(diags, func(file string) []byte {
		if file == path {
			return text
		}
		return nil
	})
}
