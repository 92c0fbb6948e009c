package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"starquake/app"
	"starquake/dsl"
	"starquake/units"
)

// givenFlags are what run and plan give to a script.
type givenFlags struct {
	File string `arg:"" predictor:"orchestration" help:"The orchestration: a Starlark file (.star), or one in YAML or JSON."`

	Param  []string `sep:"none" placeholder:"NAME=VALUE" help:"Give a parameter; may be repeated."`
	Seed   *uint64  `placeholder:"N" help:"The seed of all randomness. Without it: a hash of script and parameters."`
	Env    string   `placeholder:"FILE|NAME" help:"The environment: a file, or NAME for NAME.yaml in . or ./environments."`
	Proxy  []string `sep:"none" placeholder:"NAME=LISTEN,UPSTREAM[,PROTOCOL]" help:"Give an embedded proxy as a target; may be repeated. With tls=terminate or KEY=VALUE of tls behind it TLS is terminated."`
	Strict bool     `help:"Fail also for tolerated failures and passes after a retry."`

	AllowExec   []string `placeholder:"COMMAND" help:"Commands that exec may run; none without it."`
	AllowLoad   []string `placeholder:"HOST|CIDR" help:"Hosts that load may go to, besides those that the environment and the script's targets name."`
	MaxLoadRate float64  `placeholder:"RATE" help:"The highest rate of load, in requests per second (50000)."`
	AllowNet    []string `placeholder:"HOST|CIDR" help:"Hosts that may be reached; every one without it."`

	Isolate     bool   `help:"Execute the script in a process of its own, with limits on memory and time."`
	MemoryLimit string `placeholder:"SIZE" help:"The most memory that the script may take, such as 512MiB."`

	lenientFlag
	CleanupTimeout string `default:"30s" placeholder:"DURATION" help:"The most that each on_exit handler may take (${default})."`
}

// minMemory is what the program itself needs.
const minMemory = 64 << 20

// options gives the options of the run.
func (g *givenFlags) options() (app.Options, error) {
	opt := app.Options{Seed: g.Seed, Strict: g.Strict, Env: &app.Environment{}, Isolate: g.Isolate, AllowExec: g.AllowExec, AllowNet: g.AllowNet, AllowLoad: g.AllowLoad, MaxLoadRate: g.MaxLoadRate}
	var err error
	if opt.CleanupTimeout, err = units.ParseDuration(g.CleanupTimeout); err != nil {
		return opt, invalid("--cleanup-timeout: %w", err)
	}
	if opt.CleanupTimeout <= 0 { // 0 would be the default
		return opt, invalid("--cleanup-timeout %s: expected more than 0", g.CleanupTimeout)
	}
	if g.MemoryLimit != "" {
		if opt.MemoryLimit, err = units.ParseSize(g.MemoryLimit); err != nil {
			return opt, invalid("--memory-limit: %w", err)
		}
		if opt.MemoryLimit < minMemory {
			return opt, invalid("--memory-limit %s: expected at least %s", g.MemoryLimit, units.FormatSize(minMemory))
		}
	}
	if opt.Params, err = app.ParseParams(g.Param); err != nil {
		return opt, asInvalid(err)
	}
	if g.Env != "" {
		path, err := environmentFile(g.Env)
		if err != nil {
			return opt, asInvalid(err)
		}
		if opt.Env, err = app.LoadEnvironment(path); err != nil {
			return opt, asInvalid(err)
		}
		if opt.Env.Name == "" {
			opt.Env.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		}
	}
	for _, flag := range g.Proxy {
		if err := opt.Env.AddProxy(flag); err != nil {
			return opt, asInvalid(err)
		}
	}
	return opt, nil
}

// given are the flags of what the journal of a run does not have, for whoever runs it again.
func (g *givenFlags) given(attended bool) (words []string) {
	flag := func(name string, values ...string) {
		for _, value := range values {
			if value != "" {
				words = append(words, name, value)
			}
		}
	}
	on := func(name string, is bool) {
		if is {
			words = append(words, name)
		}
	}
	flag("--env", g.Env)
	flag("--proxy", g.Proxy...)
	flag("--allow-exec", strings.Join(g.AllowExec, ","))
	flag("--allow-load", strings.Join(g.AllowLoad, ","))
	flag("--allow-net", strings.Join(g.AllowNet, ","))
	if g.MaxLoadRate != 0 {
		flag("--max-load-rate", strconv.FormatFloat(g.MaxLoadRate, 'f', -1, 64))
	}
	on("--isolate", g.Isolate)
	flag("--memory-limit", g.MemoryLimit)
	flag("--library", g.Library)
	on("--lenient", g.Lenient)
	if d, err := units.ParseDuration(g.CleanupTimeout); err == nil && d != defaultCleanup {
		flag("--cleanup-timeout", g.CleanupTimeout)
	}
	on("--attended", attended)
	return words
}

// defaultCleanup is the default of --cleanup-timeout.
const defaultCleanup = 30 * time.Second

// environmentFile finds the file that --env names. What has a path separator or an
// extension is a path; anything else is a name, looked for as ./NAME.yaml, then as
// ./environments/NAME.yaml.
func environmentFile(name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) || filepath.Ext(name) != "" {
		return name, nil
	}
	paths := []string{name + ".yaml", filepath.Join("environments", name+".yaml")}
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, nil // other errors are those of reading it
		}
	}
	return "", fmt.Errorf("--env %s: neither ./%s nor ./%s is there; give the path of the environment's file", name, paths[0], paths[1])
}

// load reads the orchestration. What is wrong with it is the error; what is only said
// goes to stderr.
func (g *givenFlags) load(sh *shell) (*app.Script, error) {
	if err := orchestrationFile(g.File); err != nil {
		return nil, err
	}
	s, diags := g.loader().Load(g.File)
	if diags.HasErrors() {
		return nil, wrong(g.File, s, diags)
	}
	if len(diags) > 0 {
		located, sources := locate(g.File, s, diags)
		sh.render(located, sources)
	}
	return s, nil
}

// orchestrationFile refuses a file whose name says that it is none of ours.
func orchestrationFile(path string) error {
	switch {
	case app.IsOrchestrationFile(path), strings.ToLower(filepath.Ext(path)) == ".star":
		return nil
	case path == "-":
		return invalid("an orchestration is not read from stdin; expected a file")
	}
	return invalid("%s: expected an orchestration, whose name ends in .star, .yaml, .yml or .json", path)
}

// wrong is the error of a script that cannot be run.
func wrong(path string, s *app.Script, diags dsl.Diagnostics) error {
	located, sources := locate(path, s, diags)
	reason := "invalid"
	for _, d := range diags {
		if d.Severity == dsl.Error {
			reason = d.Code
			break
		}
	}
	return &exitError{code: codeInvalid, reason: reason, diags: located, sources: sources}
}

// locate gives diagnostics whose files are those that the person named: a script's
// own names begin at its folder.
func locate(path string, s *app.Script, diags dsl.Diagnostics) (dsl.Diagnostics, func(file string) []byte) {
	dir := filepath.Dir(path)
	unread := s == nil || s.Unit == nil || len(s.Unit.Modules) == 0 // its problem names it as it was given
	place := func(file string) string {
		if file == "" || strings.HasPrefix(file, "@") || filepath.IsAbs(file) || unread && file == path {
			return file
		}
		return filepath.Join(dir, file)
	}
	names := map[string]string{} // by place
	if s != nil && s.Unit != nil {
		for name := range s.Unit.Modules {
			names[place(name)] = name
		}
	}
	located := make(dsl.Diagnostics, len(diags))
	for i, d := range diags {
		d.File = place(d.File)
		d.Related = append([]dsl.Note(nil), d.Related...)
		for j := range d.Related {
			d.Related[j].File = place(d.Related[j].File)
		}
		d.Stack = append([]dsl.Frame(nil), d.Stack...)
		for j := range d.Stack {
			d.Stack[j].File = place(d.Stack[j].File)
		}
		located[i] = d
	}
	return located, func(file string) []byte {
		name, ok := names[file]
		if !ok {
			name = file
		}
		if s == nil || s.Unit == nil {
			return nil
		}
		return s.SourceOf(name)
	}
}
