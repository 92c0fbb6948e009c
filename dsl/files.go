package dsl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// libraryPrefix begins the names of the embedded standard library.
const libraryPrefix = "@starquake/"

// The errors of reading a module that a diagnostic explains.
var (
	errFolder  = errors.New("it is a folder")
	errSpecial = errors.New("it is no regular file")
	errTooBig  = errors.New("it is too large")
	errNoFiles = errors.New("this script was not read from a folder and can load only \"" + libraryPrefix + "…\"")
)

// canonical turns the path of a load statement into a module's name. What it
// accepts stays below the script's folder by its text alone; links are left to
// os.Root.
func canonical(written string) (string, error) {
	if name, ok := strings.CutPrefix(written, libraryPrefix); ok {
		if strings.Contains(name, "/") || !fs.ValidPath(name) || !strings.HasSuffix(name, ".star") {
			return "", fmt.Errorf("the standard library has names such as \"%spatterns.star\"", libraryPrefix)
		}
		return written, nil
	}
	if name, ok := strings.CutPrefix(written, userPrefix); ok {
		if strings.Contains(name, "/") || !fs.ValidPath(name) || !strings.HasSuffix(name, ".star") {
			return "", fmt.Errorf("your own library has names such as \"%sscenarios.star\"", userPrefix)
		}
		return written, nil
	}
	switch {
	case written == "":
		return "", errors.New("the path is empty")
	case strings.HasPrefix(written, "@"):
		return "", fmt.Errorf("only \"%sNAME.star\" and \"%sNAME.star\" begin with @", libraryPrefix, userPrefix)
	case strings.HasPrefix(written, "/"):
		return "", errors.New("the path is absolute; nothing outside of the script's folder can be loaded")
	case slices.Contains(strings.Split(written, "/"), ".."):
		return "", errors.New("the path leads upwards; nothing outside of the script's folder can be loaded")
	case strings.ContainsAny(written, "\\:"):
		return "", errors.New("write paths with \"/\" and without a drive")
	case strings.ContainsFunc(written, func(r rune) bool { return !shown(r) }):
		return "", errors.New("the path has an unprintable character")
	case len(written) > 255:
		return "", errors.New("the path is longer than 255 bytes")
	case !strings.HasSuffix(written, ".star"):
		return "", errors.New("a module's name ends in .star")
	}
	name := path.Clean(written)
	if !fs.ValidPath(name) {
		return "", errors.New("it is no path of a file")
	}
	return name, nil
}

// folder reads modules from a file system.
type folder struct {
	fsys fs.FS
	max  int64
}

func (f folder) read(name string) ([]byte, error) {
	if strings.HasPrefix(name, libraryPrefix) || strings.HasPrefix(name, userPrefix) {
		return nil, fs.ErrNotExist
	}
	if f.fsys == nil {
		return nil, errNoFiles
	}
	// Asked before it is opened: opening a pipe would wait for its writer.
	info, err := fs.Stat(f.fsys, name)
	if err != nil {
		return nil, err
	}
	if err := readable(info, f.max); err != nil {
		return nil, err
	}
	file, err := f.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, info.Size(), f.max)
}

// readPath reads the main script, which may be anywhere.
func readPath(path string, max int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := readable(info, max); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, info.Size(), max)
}

func readable(info fs.FileInfo, max int64) error {
	switch {
	case info.IsDir():
		return errFolder
	case !info.Mode().IsRegular():
		return errSpecial
	case info.Size() > max:
		return fmt.Errorf("%w: %d bytes, at most %d", errTooBig, info.Size(), max)
	}
	return nil
}

// readAll reads at most max bytes: a file may have grown since it was looked at, when it
// had size.
func readAll(r io.Reader, size, max int64) ([]byte, error) {
	text := bytes.NewBuffer(make([]byte, 0, min(size, max)+bytes.MinRead))
	_, err := text.ReadFrom(io.LimitReader(r, max+1))
	if err == nil && int64(text.Len()) > max {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooBig, max)
	}
	return text.Bytes(), err
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// fileProblem says why a module could not be read.
func fileProblem(name string, err error) Diagnostic {
	d := Diagnostic{Severity: Error, Code: "unreadable_file", File: name}
	var pathErr *fs.PathError
	switch {
	case isMissing(err):
		d.Code, d.Message = "missing_file", "there is no such file"
	case errors.Is(err, errTooBig):
		d.Code, d.Message = "file_too_big", err.Error()
	case errors.Is(err, fs.ErrPermission):
		d.Message = "permission denied"
	case errors.As(err, &pathErr):
		d.Message = pathErr.Err.Error()
	default:
		d.Message = err.Error()
	}
	return d
}

// whatIsThere is the help for a module that cannot be read.
func (l *loader) whatIsThere(name string, err error) string {
	if !isMissing(err) {
		return ""
	}
	if wrong, ok := strings.CutPrefix(name, userPrefix); ok {
		return l.whatTheUserHas(wrong)
	}
	wrong, ok := strings.CutPrefix(name, libraryPrefix)
	if !ok {
		return "paths are relative to the folder of the main script, whichever module loads"
	}
	entries, _ := fs.Glob(l.library(), "*.star")
	for i := range entries {
		entries[i] = libraryPrefix + entries[i]
	}
	return didYouMean(libraryPrefix+wrong, entries, "the standard library has")
}

// whatTheUserHas is the help for a module that the user's library lacks.
func (l *loader) whatTheUserHas(wrong string) string {
	names, _ := userNames(l.opt.UserLibrary)
	if len(names) == 0 {
		return "give the folder of your library with --library"
	}
	return didYouMean(userPrefix+wrong, names, "your library has")
}
