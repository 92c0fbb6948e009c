package effects

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// Answers are planned answers that a person wrote, read by ReadAnswers. They are
// not changed after that.
type Answers struct {
	name  string
	rules []answerRule
	// Trouble, if set, is told of an answer that is none to the effect that it was for.
	// The effect fails, in either case.
	Trouble func(error)
}

// answerRule says what answers the effects that match it.
type answerRule struct {
	line    int
	match   answerMatch
	answers []writtenAnswer // taken in order; the last stays
	gives   AnswerFunc      // in place of answers; nil: they hold
}

// AnswerFunc gives the answer to an effect, in the form of a written one; nil leaves the
// planned answer. Of a watched probe it gives every reading.
type AnswerFunc func(Asked) (json.RawMessage, error)

// Asked is an effect as an AnswerFunc sees it: what a rule can match, and when.
type Asked struct {
	Kind, Path         string
	URL, Method, Argv0 string
	Addr, Name, Query  string
	Args               json.RawMessage
	// Number counts how often the rule has answered before.
	Number int
	// Time is that of the run.
	Time time.Duration
}

// answerMatch is what must hold of an effect, all that is given.
type answerMatch struct {
	kind, method, argv0          string
	url, path, addr, name, query *glob // nil if not given
}

// writtenAnswer is an answer and where it stands.
type writtenAnswer struct {
	line int
	data json.RawMessage
}

// Len is the number of rules.
func (a *Answers) Len() int { return len(a.rules) }

// Let makes a function give the answers of a rule, counted from 0, in place of those that
// are written. It is for whoever has just read the answers.
func (a *Answers) Let(rule int, gives AnswerFunc) { a.rules[rule].gives = gives }

// Over returns a planner that lays the first answer that matches over what next
// plans, and over what the script simulates. Its sequences begin at their first
// answer, so every run needs a planner of its own; it is for one goroutine at a time.
// now gives the time of the run.
func (a *Answers) Over(next runtime.Planner, now func() time.Duration) runtime.Planner {
	return &answering{answers: a, next: next, now: now, calls: make([]int, len(a.rules)), readings: make([]int, len(a.rules)), used: make([]bool, len(a.rules))}
}

// answering is Answers in one run.
type answering struct {
	answers *Answers
	next    runtime.Planner
	now     func() time.Duration
	// calls and readings are how often each rule has answered either: a probe that is read
	// uses up nothing of what a sequence has for calls.
	calls, readings []int
	// used says which rules have matched an effect, and asked are the first effects that
	// rules can tell apart.
	used  []bool
	asked []string
}

// maxAskedFor bounds what is said of what a run asked for.
const maxAskedFor = 10

// Unused says of each rule that no effect has matched what it is for, and what was asked
// for in its place. planner is one that Over has returned; of another it says nothing.
func Unused(planner runtime.Planner) (unused []string) {
	p, ok := planner.(*answering)
	if !ok {
		return nil
	}
	asked := "nothing"
	if len(p.asked) > 0 {
		asked = strings.Join(p.asked, ", ")
	}
	for i, rule := range p.answers.rules {
		if !p.used[i] {
			unused = append(unused, fmt.Sprintf("%s:%d: nothing has asked for %s; the run asked for %s", p.answers.name, rule.line, rule.match, asked)+rule.match.hint())
		}
	}
	return unused
}

// note keeps what an effect asks for.
func (p *answering) note(s subject) {
	for _, at := range s.seen {
		if text := at.String(); len(p.asked) < maxAskedFor && !slices.Contains(p.asked, text) {
			p.asked = append(p.asked, text)
		}
	}
}

// String is a sighting as the short form of answers names it.
func (s sighting) String() string {
	return strings.TrimSpace(s.method + " " + cmp.Or(s.url, s.addr, s.argv0, s.name, s.query))
}

// String is what the rule is for.
func (m answerMatch) String() string {
	var out []string
	for _, part := range []struct {
		name string
		glob *glob
	}{{"url", m.url}, {"addr", m.addr}, {"path", m.path}, {"name", m.name}, {"query", m.query}} {
		if part.glob != nil {
			out = append(out, part.name+" "+strconv.Quote(part.glob.text))
		}
	}
	for _, part := range [][2]string{{"kind", m.kind}, {"method", m.method}, {"the command (argv0)", m.argv0}} {
		if part[1] != "" {
			out = append(out, part[0]+" "+strconv.Quote(part[1]))
		}
	}
	return strings.Join(out, ", ")
}

// hint says how a key of the short form names what is no command: a bare word is one.
func (m answerMatch) hint() string {
	if m.argv0 == "" {
		return ""
	}
	return fmt.Sprintf("; a name without :// and : is that of a command, here of exec.run([%q]): HTTP calls and load are named by their URL, tcp and gRPC by their address", m.argv0)
}

// Plan implements runtime.Planner.
func (p *answering) Plan(req *runtime.Request) (runtime.Planned, error) {
	planned, trouble, err := p.plan(req)
	if trouble != nil && p.answers.Trouble != nil {
		p.answers.Trouble(trouble)
	}
	return planned, firstError(err, trouble)
}

// plan tells apart what is wrong with an answer, and with the effect itself.
func (p *answering) plan(req *runtime.Request) (planned runtime.Planned, trouble, err error) {
	planned, err = p.next.Plan(req)
	if err != nil || req.Kind == KindLoadDescribe { // which no rule is for: those of its load are
		return planned, nil, err
	}
	subject := subjectOf(req)
	i := slices.IndexFunc(p.answers.rules, func(r answerRule) bool { return r.match.matches(subject) })
	if simulations()[req.Kind] != nil {
		p.note(subject)
	}
	if i < 0 {
		return planned, nil, nil
	}
	p.used[i] = true
	rule, asked := &p.answers.rules[i], p.counts(req)
	if rule.gives != nil && req.Kind == KindWatch {
		planned, trouble = p.watched(req, planned, i, subject)
		return planned, trouble, nil
	}
	answer := rule.answers[min(asked[i], len(rule.answers)-1)]
	if rule.gives != nil {
		if answer.data, err = rule.gives(p.question(req, i, subject)); err != nil {
			return planned, problem(CodeInvalid, "%v", err), nil
		}
		if isNull(answer.data) {
			asked[i]++
			return planned, nil, nil
		}
	}
	asked[i]++
	if written, ok, err := planWritten(req, answer.data); ok || err != nil {
		if err != nil {
			trouble = p.isNone(&answer, req, err)
		}
		return written, trouble, nil
	}
	if planned, err = simulations()[req.Kind].over(req, planned, answer.data); err != nil {
		trouble = p.isNone(&answer, req, err)
	}
	return planned, trouble, nil
}

// isNone says that an answer is none to an effect.
func (p *answering) isNone(a *writtenAnswer, req *runtime.Request, err error) error {
	return problem(CodeInvalid, "%s:%d: answer to %s %s: %v", p.answers.name, a.line, req.Kind, req.ID, err)
}

// counts are those of the effect's sort.
func (p *answering) counts(req *runtime.Request) []int {
	if req.Kind == KindProbe || req.Kind == KindWatch {
		return p.readings
	}
	return p.calls
}

// question is an effect as the function of a rule sees it.
func (p *answering) question(req *runtime.Request, rule int, s subject) Asked {
	q := Asked{Kind: req.Kind, Path: req.Path, Args: req.Args, Number: p.counts(req)[rule], Time: p.now()}
	if at := p.answers.rules[rule].match.sighted(s); at != nil {
		q.URL, q.Method, q.Argv0, q.Addr, q.Name, q.Query = at.url, at.method, at.argv0, at.addr, at.name, at.query
	}
	return q
}

// watched plans a watch whose every reading the function of a rule gives.
func (p *answering) watched(req *runtime.Request, planned runtime.Planned, rule int, s subject) (runtime.Planned, error) {
	args, probe, err := parseWatch(req.Args)
	if err != nil {
		return planned, err
	}
	watch := *req // of the watch alone: the caller's is that of the next effect when this returns
	t := &tally{breaches: args.Breaches, ignoreErrors: args.IgnoreErrors, ignoreNoData: args.IgnoreNoData}
	read := func(ran time.Duration) (any, error) {
		data, err := p.answers.rules[rule].gives(p.question(&watch, rule, s))
		p.readings[rule]++
		r := probe.planned()
		if err == nil && !isNull(data) {
			r, err = writtenReading(probe, data)
		}
		if err != nil {
			if p.answers.Trouble != nil {
				p.answers.Trouble(err)
			}
			return nil, err
		}
		t.series.Add(ran, r.OK, r.Elapsed)
		if t.add(ran, r) {
			return t.report(), nil
		}
		return nil, nil
	}
	first, err := read(0)
	if err != nil {
		return planned, problem(CodeInvalid, "%s:%d: answer to %s %s: %v", p.answers.name, p.answers.rules[rule].line, req.Kind, req.ID, err)
	}
	return runtime.Planned{
		Reports: []runtime.PlannedEvent{{Data: first}},
		End:     func(ran time.Duration) (any, *journal.EffectError) { return t.summary(ran), nil },
		Every:   args.Every,
		Next:    read,
	}, nil
}

// simulations are the kinds whose answers have a known form.
func simulations() map[string]*simulation {
	return map[string]*simulation{
		KindHTTP: simulatedHTTP(), KindExec: simulatedExec(), KindProbe: simulatedReading(), KindWatch: simulatedWatch(),
		KindTCP: simulatedTCP(), KindDNS: simulatedDNS(), KindGRPC: simulatedGRPC(), KindPrometheus: simulatedPrometheus(), KindNotify: simulatedNotify(),
		KindLoad: simulatedFigures(), KindLoadWindow: simulatedWindow(),
	}
}

// subject is what a rule can look at in an effect.
type subject struct {
	kind, path string
	seen       []sighting
}

// sighting is a request or a command in the arguments of an effect: its own, or one
// of the probe that it reads.
type sighting struct {
	url, method, argv0 string
	addr, name, query  string // of tcp and grpc; of dns and notify; of prometheus
}

// subjectOf finds what rules can look at.
func subjectOf(req *runtime.Request) subject {
	s := subject{kind: req.Kind, path: req.Path}
	s.look(req.Args, maxProbes)
	return s
}

// look adds what is in the arguments of an effect, or in a probe.
func (s *subject) look(args json.RawMessage, depth int) {
	var found struct {
		URL    string          `json:"url"`
		Method string          `json:"method"`
		Argv   []string        `json:"argv"`
		Addr   string          `json:"addr"`
		Name   string          `json:"name"`
		Chan   string          `json:"channel"`
		Query  string          `json:"query"`
		Probe  json.RawMessage `json:"probe"`
		Spec   struct {
			HTTP json.RawMessage `json:"http"`
			GRPC json.RawMessage `json:"grpc"`
		} `json:"spec"` // of load
		Of []json.RawMessage `json:"of"`
	}
	// Arguments of other kinds may have other types under these names: they then have
	// nothing that a rule could look at.
	if depth == 0 || json.Unmarshal(args, &found) != nil {
		return
	}
	switch {
	case found.Query != "":
		s.seen = append(s.seen, sighting{url: found.URL, query: found.Query})
	case found.Addr != "": // of grpc the method is its own
		s.seen = append(s.seen, sighting{addr: found.Addr, method: strings.ToUpper(found.Method)})
	case found.URL != "":
		if found.Method == "" {
			found.Method = "GET"
		}
		s.seen = append(s.seen, sighting{url: found.URL, method: found.Method})
	case len(found.Argv) > 0:
		s.seen = append(s.seen, sighting{argv0: found.Argv[0]})
	case found.Name+found.Chan != "":
		s.seen = append(s.seen, sighting{name: found.Name + found.Chan})
	}
	for _, inner := range append(found.Of, found.Probe, found.Spec.HTTP, found.Spec.GRPC) {
		if len(inner) > 0 {
			s.look(inner, depth-1)
		}
	}
}

// matches reports whether all that is given holds.
func (m *answerMatch) matches(s subject) bool {
	if m.kind != "" && m.kind != s.kind || m.path != nil && !m.path.match(s.path) {
		return false
	}
	if m.url == nil && m.method == "" && m.argv0 == "" && m.addr == nil && m.name == nil && m.query == nil {
		return true
	}
	return m.sighted(s) != nil
}

// sighted is the first request or command of an effect that matches, nil without one.
func (m *answerMatch) sighted(s subject) *sighting {
	i := slices.IndexFunc(s.seen, func(at sighting) bool {
		return (m.url == nil || m.url.matchURL(at.url)) &&
			(m.method == "" || m.method == at.method) &&
			(m.addr == nil || m.addr.match(at.addr)) && (m.name == nil || m.name.match(at.name)) && (m.query == nil || m.query.match(at.query)) &&
			(m.argv0 == "" || m.argv0 == at.argv0 || m.argv0 == filepath.Base(at.argv0))
	})
	if i < 0 {
		return nil
	}
	return &s.seen[i]
}
