package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/dsl/files"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// resumption is what a run needs besides its journal to be taken up by another process,
// or to be looked at again. It has no secret in it, only where they are found.
type resumption struct {
	Env isolatedEnv `json:"env"`
	// EnvFile is the environment's file, for messages; Secrets are where it has them.
	EnvFile string                `json:"env_file,omitempty"`
	Secrets map[string]envSecrets `json:"secrets,omitempty"`
	// Looks are what the environment says of looking and telling.
	Looks looks `json:"looks"`
	// Policy is what the run may touch.
	Policy      effects.Policy `json:"policy"`
	Isolate     bool           `json:"isolate,omitempty"`
	MemoryLimit int64          `json:"memory_limit,omitempty"`
	CPULimit    time.Duration  `json:"cpu_limit,omitempty"`
	// Served says that a server began the run, under its rules.
	Served bool `json:"served,omitempty"`
	// Confined says that the run may open no targets of its own.
	Confined bool `json:"confined,omitempty"`
	// Planned is what the plan said that was made before the run.
	Planned Planned `json:"planned"`
	// CanApprove says that somebody can answer approve().
	CanApprove bool `json:"can_approve,omitempty"`
	// Folders are where the files are that targets name.
	Folders folders `json:"folders"`
	// Path is the file that the orchestration was read from, for messages.
	Path string `json:"path,omitempty"`
	// Given are the flags that the run was given, for people.
	Given []string `json:"given,omitempty"`
}

// info is what the store keeps of a run that begins.
func (s *Script) info(id string, opt *RunOptions, policy effects.Policy, begin *journal.RunBeginBody, env *builtins.Env, where folders, planned Planned) store.Info {
	given := opt.env()
	raw, err := json.Marshal(resumption{
		Env: wireEnv(env), EnvFile: given.path, Secrets: given.secrets, Looks: given.plainLooks(), Policy: policy,
		Isolate: opt.Isolate, MemoryLimit: opt.MemoryLimit, CPULimit: opt.CPULimit, CanApprove: opt.CanApprove, Path: s.Path, Given: opt.Given, Folders: where,
		Served: opt.Confined, Confined: opt.Confined && !opt.OwnProxies, Planned: planned,
	})
	if err != nil {
		panic(err) // plain data
	}
	params := make(map[string]string, len(opt.Params))
	for name, p := range opt.Params {
		if params[name] = p.Text; p.JSON != nil {
			params[name] = string(p.JSON)
		}
	}
	return store.Info{
		ID: id, Name: begin.Name, Script: begin.Script, Started: begin.Origin, Labels: opt.Labels, Params: params,
		Seed: begin.Seed, By: opt.By, Version: opt.Version, Resume: raw, Key: opt.Key, Request: opt.Request,
	}
}

// PathOf is the file that the orchestration of a kept run was read from, as the person
// named it; "" where that is not known.
func PathOf(info store.Info) string {
	var r struct{ Path string }
	if json.Unmarshal(info.Resume, &r) != nil {
		return ""
	}
	return r.Path
}

// ServedOf reports whether a server began a kept run: its script came as text, or by the name
// by which that server keeps it.
func ServedOf(info store.Info) bool {
	var r struct{ Served bool }
	return json.Unmarshal(info.Resume, &r) == nil && r.Served
}

// GivenOf are the flags that a kept run was given; see RunOptions.
func GivenOf(info store.Info) []string {
	var r struct{ Given []string }
	if json.Unmarshal(info.Resume, &r) != nil {
		return nil
	}
	return r.Given
}

// IsolatedOf reports whether the script of a run was to have a process of its own.
func IsolatedOf(info *store.Info) bool {
	var r struct{ Isolate bool }
	return json.Unmarshal(info.Resume, &r) == nil && r.Isolate
}

// TargetsOf are the names of the targets that a run was given.
func TargetsOf(info *store.Info) (names []string) {
	var r struct {
		Env struct{ Targets []struct{ Name string } }
	}
	if json.Unmarshal(info.Resume, &r) != nil {
		return nil
	}
	for _, target := range r.Env.Targets {
		names = append(names, target.Name)
	}
	return names
}

// recorded is a run as the store has it.
type recorded struct {
	resumption
	script *Script
	begin  *journal.RunBeginBody
	recs   []journal.Record
}

// ErrNotBegun says that a run died before it had done anything: its journal is empty,
// since the first records are on disk before the first effect.
var ErrNotBegun = errors.New("it had not begun: nothing was done, and nothing is on")

// readRecorded makes of a journal and of what stands beside it the run that it was.
// The files that the script was read from are not needed.
func readRecorded(info store.Info, recs []journal.Record) (*recorded, error) {
	r := &recorded{recs: recs}
	if len(recs) == 0 {
		return nil, ErrNotBegun
	}
	var ok bool
	if r.begin, ok = recs[0].Body.(*journal.RunBeginBody); !ok {
		return nil, fmt.Errorf("its journal begins with %q, expected %q", recs[0].Kind, journal.RunBegin)
	}
	if r.begin.Format > journal.FormatVersion {
		return nil, fmt.Errorf("its journal has format %d, this version knows up to %d; use a later version", r.begin.Format, journal.FormatVersion)
	}
	if len(info.Resume) > 0 {
		if err := json.Unmarshal(info.Resume, &r.resumption); err != nil {
			return nil, fmt.Errorf("what was noted at its start: %w", err)
		}
	}
	s, diags := loadModules(r.begin.Script, r.begin.Modules)
	if diags.HasErrors() {
		return nil, fmt.Errorf("its script: %w", diags)
	}
	s.Path = r.Path
	r.script = s
	return r, nil
}

// loadModules reads a script from the texts in a journal.
func loadModules(main string, modules map[string]string) (*Script, dsl.Diagnostics) {
	l := Loader{Lenient: true} // it was accepted
	opt := dsl.Options{Builtins: rows(), NoCheck: true}
	if IsOrchestrationFile(main) {
		opt.Transpile, opt.MaxFile = l.transpileTo(new(*ReportPath)), files.MaxSize
	}
	unit, diags := dsl.LoadModules(main, modules, opt)
	return l.script(unit, "", diags)
}

// config and env are those of the run as it began.
func (r *recorded) config() runtime.Config {
	return runtime.Config{
		Begin: *r.begin, Strict: r.begin.Strict, CleanupTimeout: r.begin.CleanupTimeout,
		Describe: builtins.Describe, OnTurn: builtins.OnTurn,
	}
}

func (r *recorded) env() *builtins.Env {
	env := r.script.newEnv()
	wire := r.resumption.Env
	wire.Scenarios = env.Scenarios // of the texts in the journal
	wire.fill(env)
	return env
}

// environment is where the run finds its secrets, and what it looks with.
func (r *resumption) environment() (*Environment, error) {
	env := &Environment{Name: r.Env.Environment, path: r.EnvFile, secrets: r.Secrets}
	return env, env.restoreLooks(r.Looks)
}
