package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"starquake/chaos"
	"starquake/chaos/proxy"
)

// authorityFolder is the folder of the local certificate authority in the data folder.
const authorityFolder = "ca"

// AuthorityDir gives the folder of the local certificate authority: that in the data
// folder, as DataDir finds it.
func AuthorityDir(data string) (string, error) {
	dir, err := DataDir(data)
	return filepath.Join(dir, authorityFolder), err
}

// folders are where the files are that targets name for TLS. A journal has the names
// only, so that it is the same wherever the run is planned.
type folders struct {
	Script      string `json:"script,omitempty"` // "" for a script that is no file
	Environment string `json:"environment,omitempty"`
	Command     string `json:"command,omitempty"` // where the program was started
	Authority   string `json:"authority,omitempty"`
}

// foldersOf gives the folders of a run that begins.
func foldersOf(s *Script, env *Environment, authority string) (folders, error) {
	var f folders
	var err error
	if f.Command, err = os.Getwd(); err != nil {
		return f, err
	}
	folder := func(path string) string {
		if path == "" {
			return ""
		}
		return filepath.Dir(filepath.Join(f.Command, path))
	}
	if filepath.IsAbs(s.Path) {
		f.Script = filepath.Dir(s.Path)
	} else {
		f.Script = folder(s.Path)
	}
	if filepath.IsAbs(env.path) {
		f.Environment = filepath.Dir(env.path)
	} else {
		f.Environment = folder(env.path)
	}
	if f.Authority = authority; authority == "" {
		f.Authority, err = AuthorityDir("")
	}
	return f, err
}

// find says where the file is that t names.
func (f *folders) find(t *chaos.TLS) func(name string) (string, error) {
	return func(name string) (string, error) {
		base := f.Script
		switch {
		case t.Beside == chaos.BesideEnvironment:
			base = f.Environment
		case t.Beside == chaos.BesideCommand:
			base = f.Command
		case f.Script == "":
			return "", errors.New("a script that was not read from a file names no files; give the target in an environment")
		case !filepath.IsLocal(name):
			// As with load(): what a script asks for is below its own folder. Whoever runs
			// it may say otherwise.
			return "", errors.New("a script's files are below its own folder; name others in an environment, or with --proxy")
		}
		if filepath.IsAbs(name) {
			return name, nil
		}
		return filepath.Join(base, name), nil
	}
}

// load reads what t names. t may be nil.
func (f *folders) load(t *chaos.TLS) (*proxy.TLS, error) {
	if t == nil {
		return nil, nil
	}
	return proxy.LoadTLS(t, f.find(t), f.Authority)
}

// LoadTLS is what a target that was given on the command line says of TLS, with its files
// beside where the program was started. Authority is the folder of the local authority.
func LoadTLS(t *chaos.TLS, authority string) (*proxy.TLS, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	f := folders{Command: dir, Authority: authority}
	return f.load(t)
}

// LoadTLS is what a target of the environment says of TLS, for who opens it outside any
// run.
func (e *Environment) LoadTLS(t *chaos.TLS, authority string) (*proxy.TLS, error) {
	f, err := foldersOf(&Script{}, e, authority)
	if err != nil {
		return nil, err
	}
	return f.load(t)
}
