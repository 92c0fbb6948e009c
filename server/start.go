package server

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"starquake/app"
	"starquake/builtins"
)

// starting is a run that is asked for.
type starting struct {
	loaded *loaded
	name   string // by which the orchestration is kept, or what it calls itself; "" where nobody has looked
	params map[string]json.RawMessage
	seed   *uint64
	labels map[string]string
	// targets are those that the run is given; nil: all.
	targets []string
	// chosen says that the targets are those that were asked for by name.
	chosen  bool
	key     string   // of the start; "" without one
	request string   // a digest of all that was asked, with the key
	started *started // what the key stands for; set by start
	who     Who
	patient bool // it waits for its turn where too many runs go on
}

// The bounds of what a start brings along.
const (
	maxKey    = 200
	maxLabels = 50
	maxLabel  = 200
)

// start begins a run, or with a key that was used gives the id of the run that it began:
// then fresh is false.
func (s *Server) start(asked *starting) (id string, fresh bool, err error) {
	if asked.key == "" {
		id, err := s.startNow(asked)
		return id, err == nil, err
	}
	if len(asked.key) > maxKey {
		return "", false, problemf(400, "invalid_request", "the header Idempotency-Key has %d bytes; expected at most %d", len(asked.key), maxKey)
	}
	m := s.runs
	key := startKey{asked.who.Name, asked.key}
	m.mu.Lock()
	was := m.keys[key]
	if was != nil {
		m.mu.Unlock()
		<-was.done // a start is bounded
		switch {
		case was.request != asked.request:
			return "", false, problemf(422, "idempotency_key_reused", "the Idempotency-Key %q was used for another request, which started run %s", asked.key, was.id)
		case was.err != nil:
			return "", false, was.err
		}
		return was.id, false, nil
	}
	this := &started{request: asked.request, done: make(chan struct{})}
	m.remember(key, this)
	m.mu.Unlock()
	defer func() {
		if this.id == "" { // nothing was started: it may be tried again
			m.mu.Lock()
			m.unkey(key)
			m.mu.Unlock()
			if this.err == nil {
				this.err = problemf(500, codeInternal, "the start failed")
			}
		}
		close(this.done)
	}()
	asked.started = this
	this.id, this.err = s.startNow(asked)
	return this.id, this.err == nil, this.err
}

// startNow begins a run, or lets it wait for its turn, and gives its id.
func (s *Server) startNow(asked *starting) (string, error) {
	if err := checkLabels(asked.labels); err != nil {
		return "", err
	}
	_, names, err := s.targets.environment(asked.targets)
	if err != nil {
		return "", err
	}
	asked.targets, asked.chosen = names, asked.chosen || asked.targets != nil
	if asked.name == "" && asked.patient && s.runs.full() { // the run itself will say it
		asked.name, _ = s.nameOf(asked.loaded, asked.who) // "" for one that has none
	}
	id, err := s.runs.begin(s.waiting(asked), asked.patient)
	return id, s.diagnosedStart(asked, err)
}

// waiting makes a start of what is asked, whose targets are known to be there.
func (s *Server) waiting(asked *starting) *waiting {
	script := asked.loaded.script
	return &waiting{
		name: cmp.Or(asked.name, script.Name()), by: asked.who.Name, labels: asked.labels, targets: asked.targets, key: startKey{asked.who.Name, asked.key}, asked: asked,
		start: func(opt app.RunOptions) (*app.Running, error) {
			<-s.runs.readied
			if err := s.optioned(asked, &opt); err != nil { // with the targets as they are when its turn has come
				return nil, err
			}
			if !opt.Isolate {
				return script.Start(opt)
			}
			known := s.runs.limit(&opt)
			r, err := script.Start(opt)
			if err == nil {
				known(r)
			}
			return r, err
		},
	}
}

// optioned puts what is asked into the options of a run.
func (s *Server) optioned(asked *starting, opt *app.RunOptions) error {
	env, _, err := s.targets.given(asked.targets, asked.chosen)
	if err != nil {
		return err
	}
	opt.Options = s.permitted(asked.who)
	opt.Env, opt.Params, opt.Seed = env, given(asked.params), asked.seed
	opt.Given = asked.words()
	opt.Labels, opt.By, opt.Key, opt.Request = asked.labels, asked.who.Name, asked.key, asked.request
	return nil
}

// lenientFlag is that of an orchestration that comes as a file. One that the server keeps is
// kept with it.
const lenientFlag = "--lenient"

// words are what starquake start is to be given for the same run once more, but for what its
// journal has.
func (asked *starting) words() (words []string) {
	escape := strings.NewReplacer(",", `\,`)
	for _, name := range asked.targets {
		if asked.chosen {
			words = append(words, "--target", escape.Replace(name))
		}
	}
	if asked.chosen && len(asked.targets) == 0 {
		words = append(words, "--no-targets")
	}
	if asked.loaded.from.Lenient {
		words = append(words, lenientFlag)
	}
	return words
}

// refused says why what is asked would not be started now, nil if it would.
func (s *Server) refused(asked *starting) error {
	if err := checkLabels(asked.labels); err != nil {
		return err
	}
	opt := app.RunOptions{CanApprove: true, Plane: s.plane, Authority: s.config.Authority}
	if err := s.optioned(asked, &opt); err != nil {
		return err
	}
	return s.diagnosedStart(asked, asked.loaded.script.Refused(opt))
}

// diagnosedStart is the error of a start as clients get it.
func (s *Server) diagnosedStart(asked *starting, err error) error {
	var refused app.Refusals
	if errors.As(err, &refused) {
		return diagnosed(422, refused.Diagnostics(), asked.loaded.source(asked.loaded.from.Content))
	}
	return err
}

// permitted are the options that the operator's policy makes for the scripts of somebody.
func (s *Server) permitted(who Who) app.Options {
	p := &s.config.Policy
	opt := app.Options{
		AllowNet: p.AllowNet, AllowExec: p.AllowExec, AllowLoad: p.AllowLoad, MaxLoadRate: p.MaxLoadRate,
		Confined: true, OwnProxies: p.AllowProxies,
		// A script can compute for as long as it likes and take what memory there is: that
		// of others is kept out of the process that holds everybody's runs.
		Isolate: true, MemoryLimit: p.MemoryLimit, CPULimit: p.CPULimit, MaxBody: p.Limits.Body,
	}
	if who.Role.May(Admin) {
		opt.Isolate, opt.MemoryLimit, opt.CPULimit, opt.MaxBody = false, 0, 0, 0
	}
	return opt
}

func given(params map[string]json.RawMessage) map[string]builtins.GivenParam {
	if len(params) == 0 {
		return nil
	}
	out := make(map[string]builtins.GivenParam, len(params))
	for name, raw := range params {
		out[name] = builtins.GivenParam{JSON: raw}
	}
	return out
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return problemf(400, "invalid_request", "%d labels; expected at most %d", len(labels), maxLabels)
	}
	for name, value := range labels {
		if name == "" || len(name) > maxLabel || len(value) > maxLabel {
			return problemf(400, "invalid_request", "the label %.50q: expected a name and a value of at most %d bytes", name, maxLabel)
		}
	}
	return nil
}

// digest tells requests with the same key apart.
func digest(parts ...any) string {
	h := sha256.New()
	for _, part := range parts {
		_ = json.NewEncoder(h).Encode(part) // plain data
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// nearby says which names there are, for a message about one that is not among them.
func nearby(names []string) string {
	slices.Sort(names)
	list := ""
	for i, name := range names {
		if i == 20 {
			return list + ", …"
		}
		if i > 0 {
			list += ", "
		}
		list += name
	}
	if list == "" {
		return "none"
	}
	return list
}
