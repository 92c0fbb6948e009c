package effects

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// CheckExec says whether that command may be run. It looks the program up.
func (p Policy) CheckExec(argv []string) error {
	_, err := newExecer(p, Options{}).find(argv)
	return err
}

// find returns the path of the program that argv names, if the policy permits it.
func (x *execer) find(argv []string) (path string, err error) {
	if x.err != nil {
		return "", x.err
	}
	if len(argv) == 0 || argv[0] == "" {
		return "", problem(CodeInvalid, "argv is empty: it must begin with a program")
	}
	if slices.ContainsFunc(argv, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		return "", problem(CodeInvalid, "argv of %s contains a zero byte", argv[0])
	}
	name := argv[0]
	plain := filepath.Base(name) == name
	if !plain && !filepath.IsAbs(name) {
		return "", problem(CodeInvalid, "%q is a relative path: name a program on the PATH, or give an absolute path", name)
	}
	if !plain {
		name = filepath.Clean(name)
	}
	all := slices.Contains(x.allow, "*")
	permitted := all || slices.Contains(x.allow, name)
	if !permitted && !plain {
		return "", x.denied(name)
	}
	if x.within != nil {
		if _, err := x.within.find(argv); err != nil {
			return "", err
		}
	}
	path, err = exec.LookPath(name)
	switch {
	case !permitted && (err != nil || !slices.Contains(x.allow, path)):
		return "", x.denied(name)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", problem(CodeNotFound, "%s: no such program (PATH is %q)", name, os.Getenv("PATH"))
	case err != nil:
		return "", problem(CodeFailed, "%s: %v", name, err)
	}
	return path, nil
}

// denied is the error for a program that no entry permits.
func (x *execer) denied(name string) error {
	if len(x.allow) == 0 {
		return problem(CodeDenied, "running %s is not permitted: the policy permits no program; --allow-exec=%s would permit it", name, name)
	}
	return problem(CodeDenied, "running %s is not permitted: the policy permits only %s", name, strings.Join(x.allow, ", "))
}

// anything reports whether every program is permitted.
func (x *execer) anything() bool {
	return slices.Contains(x.allow, "*") && (x.within == nil || x.within.anything())
}

// environment is the clean environment and what a script adds to it.
func (x *execer) environment(added map[string]string) ([]string, error) {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/bin:/usr/bin:/bin"
	}
	env := map[string]string{"PATH": path, "LANG": "C.UTF-8"}
	if home := os.Getenv("HOME"); home != "" {
		env["HOME"] = home
	}
	for _, name := range slices.Sorted(maps.Keys(added)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(added[name], 0) {
			return nil, problem(CodeInvalid, "%q is no name of an environment variable, or its value has a zero byte", name)
		}
		if bringsCode(name) && !x.anything() {
			return nil, problem(CodeDenied, "setting %s is not permitted: it would put other code into a permitted program", name)
		}
		env[name] = added[name]
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list, nil
}
