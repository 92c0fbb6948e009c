package effects

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"starquake/runtime"
)

// Answers are planned answers that a person wrote, read by ReadAnswers. They are
// not changed after that.
type Answers struct {
	name  string
	rules []answerRule
}

// answerRule says what answers the effects that match it.
type answerRule struct {
	line    int
	match   answerMatch
	answers []writtenAnswer // taken in order; the last stays
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

// Over returns a planner that lays the first answer that matches over what next
// plans, and over what the script simulates. Its sequences begin at their first
// answer, so every run needs a planner of its own; it is for one goroutine at a time.
func (a *Answers) Over(next runtime.Planner) runtime.Planner {
	return &answering{answers: a, next: next, asked: make([]int, len(a.rules))}
}

// answering is Answers in one run.
type answering struct {
	answers *Answers
	next    runtime.Planner
	asked   []int // how often each rule has answered
}

// Plan implements runtime.Planner.
func (p *answering) Plan(req *runtime.Request) (runtime.Planned, error) {
	planned, err := p.next.Plan(req)
	if err != nil {
		return planned, err
	}
	subject := subjectOf(req)
	i := slices.IndexFunc(p.answers.rules, func(r answerRule) bool { return r.match.matches(subject) })
	if i < 0 {
		return planned, nil
	}
	rule := &p.answers.rules[i]
	answer := rule.answers[min(p.asked[i], len(rule.answers)-1)]
	p.asked[i]++
	planned, err = simulations()[req.Kind].over(req, planned, answer.data)
	if err != nil {
		return planned, problem(CodeInvalid, "%s:%d: answer to %s %s: %v", p.answers.name, answer.line, req.Kind, req.ID, err)
	}
	return planned, nil
}

// simulations are the kinds whose answers have a known form.
func simulations() map[string]*simulation {
	return map[string]*simulation{
		KindHTTP: simulatedHTTP(), KindExec: simulatedExec(), KindProbe: simulatedReading(), KindWatch: simulatedWatch(),
		KindTCP: simulatedTCP(), KindDNS: simulatedDNS(), KindGRPC: simulatedGRPC(), KindPrometheus: simulatedPrometheus(), KindNotify: simulatedNotify(),
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
		URL    string            `json:"url"`
		Method string            `json:"method"`
		Argv   []string          `json:"argv"`
		Addr   string            `json:"addr"`
		Name   string            `json:"name"`
		Chan   string            `json:"channel"`
		Query  string            `json:"query"`
		Probe  json.RawMessage   `json:"probe"`
		Of     []json.RawMessage `json:"of"`
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
	for _, inner := range append(found.Of, found.Probe) {
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
	return slices.ContainsFunc(s.seen, func(at sighting) bool {
		return (m.url == nil || m.url.matchURL(at.url)) &&
			(m.method == "" || m.method == at.method) &&
			(m.addr == nil || m.addr.match(at.addr)) && (m.name == nil || m.name.match(at.name)) && (m.query == nil || m.query.match(at.query)) &&
			(m.argv0 == "" || m.argv0 == at.argv0 || m.argv0 == filepath.Base(at.argv0))
	})
}
