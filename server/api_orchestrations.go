package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// Source is an orchestration as text.
type Source struct {
	Content string `json:"content" minLength:"1" doc:"The orchestration's text."`
	Format  string `json:"format,omitempty" enum:"yaml,json,starlark,star" doc:"What the text is; without it yaml, or json for a text that begins with a brace."`
	Lenient bool   `json:"lenient,omitempty" doc:"Warn of keys that an orchestration file may not have, where they are errors otherwise."`
}

func (src *Source) definition() definition {
	d := definition{Format: formatNamed(src.Format), Content: src.Content, Lenient: src.Lenient}
	if d.Format == "" {
		d.Format = formatOf(d.Content)
	}
	return d
}

// Orchestration is one that is kept.
type Orchestration struct {
	Name    string    `json:"name" doc:"What it is started by."`
	Version int       `json:"version" doc:"Counts from 1."`
	Format  string    `json:"format" enum:"yaml,json,starlark" doc:"The format of content."`
	Updated time.Time `json:"updated" doc:"When this version came."`
	By      string    `json:"by,omitempty" doc:"Who brought it."`
	ETag    string    `json:"etag" doc:"Names the version and its content, for If-Match."`
	Content string    `json:"content,omitempty" doc:"The text; not in lists."`
}

func orchestration(d *definition, doc *store.Document) Orchestration {
	return Orchestration{Name: doc.Name, Version: doc.Version, Format: d.Format, Updated: doc.Time, By: doc.By, ETag: doc.ETag()}
}

// Imported says what came of an import.
type Imported struct {
	Message  string    `json:"message" doc:"What was done, for people."`
	Name     string    `json:"name" doc:"What the orchestration is started by."`
	Version  int       `json:"version" doc:"Counts from 1."`
	Steps    int       `json:"steps" doc:"How many steps are written in it."`
	ETag     string    `json:"etag" doc:"Names the version and its content, for If-Match."`
	Warnings []Finding `json:"warnings" nullable:"false" doc:"What there is to say besides."`
}

func (i *imported) answer(content string) Imported {
	return Imported{
		Message: fmt.Sprintf("Orchestration '%s' imported successfully (%d steps)", i.name, i.loaded.script.Steps()),
		Name:    i.name, Version: i.doc.Version, Steps: i.loaded.script.Steps(), ETag: i.doc.ETag(),
		Warnings: findings(i.loaded.diags, i.loaded.source(content)),
	}
}

// Writing are the headers of a request that changes what has versions.
type Writing struct {
	IfMatch     string `header:"If-Match" doc:"Only if the latest version has this ETag."`
	IfNoneMatch string `header:"If-None-Match" doc:"*: only if there is none of that name."`
}

// Tagged is the header of what has versions.
type Tagged struct {
	ETag string `header:"ETag" doc:"Names the version and its content."`
}

// quoted is an ETag as headers have it.
func quoted(etag string) string { return `"` + etag + `"` }

// condition is what the headers of a write say of the version that is there, as
// store.Shelf.Put takes it.
func condition(match, noneMatch string) (string, error) {
	switch {
	case noneMatch == "*" && match == "":
		return "none", nil
	case noneMatch != "":
		return "", problemf(400, "invalid_request", "If-None-Match: expected *, and no If-Match beside it")
	case match == "":
		return "", nil
	case match == "*":
		return "any", nil
	}
	if len(match) < 3 || match[0] != '"' || match[len(match)-1] != '"' {
		return "", problemf(400, "invalid_request", "If-Match: expected one ETag in quotes")
	}
	return match[1 : len(match)-1], nil
}

// unescape reads a part of a path, in which a name may hold anything.
func unescape(part string) string {
	if name, err := url.PathUnescape(part); err == nil {
		return name
	}
	return part
}

func (s *Server) orchestrations() {
	const tag, base = "orchestrations", "/api/v1/orchestrations"
	const known = "There is one of that name: this is its next version, or, where nothing has changed, its latest."
	type importBody struct {
		Source
		Name string `json:"name,omitempty" maxLength:"200" doc:"What to keep it by; without it the name that it gives itself."`
	}
	type importOut struct {
		Tagged
		Status int
		Body   Imported
	}
	keep := func(ctx context.Context, src *Source, name string, w *Writing) (*importOut, error) {
		etag, err := condition(w.IfMatch, w.IfNoneMatch)
		if err != nil {
			return nil, err
		}
		kept, err := s.keep(&importing{definition: src.definition(), name: name, etag: etag, by: whoOf(ctx)})
		if err != nil {
			return nil, asProblem(err)
		}
		out := &importOut{Status: http.StatusOK, Body: kept.answer(src.Content)}
		if kept.fresh {
			out.Status = http.StatusCreated
		}
		out.ETag = quoted(kept.doc.ETag())
		return out, nil
	}
	huma.Register(s.api, created(op("POST", base+"/import", "import-orchestration", Operator, "Keep an orchestration, by the name that it gives itself.", tag), known), func(ctx context.Context, in *struct {
		Writing
		Body importBody
	}) (*importOut, error) {
		return keep(ctx, &in.Body.Source, in.Body.Name, &in.Writing)
	})
	huma.Register(s.api, created(op("PUT", base+"/{name}", "put-orchestration", Operator, "Keep an orchestration by a name.", tag), known), func(ctx context.Context, in *struct {
		Writing
		Name string `path:"name" doc:"The orchestration."`
		Body Source
	}) (*importOut, error) {
		return keep(ctx, &in.Body, unescape(in.Name), &in.Writing)
	})
	s.readOrchestrations(tag, base)
	s.judgeOrchestrations(tag, base)
	huma.Register(s.api, op("DELETE", base+"/{name}", "delete-orchestration", Operator, "Forget an orchestration with all its versions, unless a schedule starts it. Runs of it stay.", tag), func(_ context.Context, in *struct {
		Name    string `path:"name" doc:"The orchestration."`
		IfMatch string `header:"If-Match" doc:"Only if the latest version has this ETag."`
	}) (*struct{}, error) {
		etag, err := condition(in.IfMatch, "")
		if err != nil {
			return nil, err
		}
		name := unescape(in.Name)
		var unread *store.Damaged
		if names, err := s.schedulesOf(name); errors.As(err, &unread) {
			return nil, problemf(409, "schedule_damaged", "schedule %q cannot be read, so that nobody knows whether it starts orchestration %q: %v; write it anew or delete it first", unread.Name, name, unread)
		} else if err != nil {
			return nil, asProblem(err)
		} else if len(names) > 0 {
			return nil, problemf(409, "orchestration_in_use", "orchestration %q is started by schedules: %s; delete them first, or let them start another", name, nearby(names))
		}
		err = s.shelf.Delete(name, etag)
		if errors.Is(err, store.ErrNoDocument) {
			return nil, s.noOrchestration(name)
		}
		return nil, failure(err)
	})
}

// failure is an error as an operation returns it: a nil *Problem in an error is none.
func failure(err error) error {
	if err == nil {
		return nil
	}
	return asProblem(err)
}

// OrchestrationList are orchestrations, or versions of one.
type OrchestrationList struct {
	Orchestrations []Orchestration `json:"orchestrations" nullable:"false" doc:"By name, or the newest version first."`
	Damaged        []Damaged       `json:"damaged,omitempty" doc:"Those that cannot be read, until they are written anew or removed; not in the list of versions."`
}

// readOrchestrations are the routes that show what is kept.
func (s *Server) readOrchestrations(tag, base string) {
	type orchestrationList struct{ Body OrchestrationList }
	shown := func(docs []store.Document) (*orchestrationList, error) {
		var out orchestrationList
		out.Body.Orchestrations = []Orchestration{}
		for i := range docs {
			d, err := s.parse(&docs[i])
			if err != nil {
				return nil, failure(orchestrationDamaged(docs[i].Name, err))
			}
			out.Body.Orchestrations = append(out.Body.Orchestrations, orchestration(d, &docs[i]))
		}
		return &out, nil
	}
	huma.Register(s.api, op("GET", base, "list-orchestrations", Viewer, "The orchestrations that are kept.", tag), func(context.Context, *struct{}) (*orchestrationList, error) {
		all, damaged, err := s.readLibrary()
		if err != nil {
			return nil, asProblem(err)
		}
		return &orchestrationList{OrchestrationList{all, damagedOf(damaged)}}, nil
	})
	huma.Register(s.api, op("GET", base+"/{name}/versions", "list-versions", Viewer, "The versions of an orchestration that are kept, the newest first.", tag), func(_ context.Context, in *struct {
		Name string `path:"name" doc:"The orchestration."`
	}) (*orchestrationList, error) {
		name := unescape(in.Name)
		docs, err := s.shelf.Versions(name)
		if errors.Is(err, store.ErrNoDocument) || err == nil && len(docs) == 0 {
			return nil, s.noOrchestration(name)
		}
		if err != nil {
			return nil, asProblem(orchestrationDamaged(name, err))
		}
		return shown(docs)
	})
	type one struct {
		Tagged
		Body Orchestration
	}
	huma.Register(s.api, withStatus(op("GET", base+"/{name}", "get-orchestration", Viewer, "An orchestration, as it was brought or in another format.", tag), http.StatusNotModified, "It is the version that you have."), func(ctx context.Context, in *struct {
		Name        string `path:"name" doc:"The orchestration."`
		Version     int    `query:"version" minimum:"0" doc:"A version; without it the latest."`
		Format      string `query:"format" enum:"yaml,json,starlark,star" doc:"The format of the content; without it the one that it was brought in."`
		IfNoneMatch string `header:"If-None-Match" doc:"304 if the version still has this ETag."`
	}) (*one, error) {
		d, doc, err := s.definition(unescape(in.Name), in.Version)
		if err != nil {
			return nil, asProblem(err)
		}
		in.Format = formatNamed(in.Format)
		out := &one{Tagged{quoted(doc.ETag())}, orchestration(d, doc)}
		if in.IfNoneMatch == out.ETag {
			return nil, huma.ErrorWithHeaders(problemf(http.StatusNotModified, "not_modified", "it is the version that you have"), http.Header{"ETag": {out.ETag}})
		}
		if in.Format != "" {
			out.Body.Format = in.Format
		}
		if out.Body.Content, err = s.in(d, in.Format, whoOf(ctx)); err != nil {
			return nil, asProblem(err)
		}
		return out, nil
	})
}

// withStatus says that an operation also answers with a status and nothing else.
func withStatus(o huma.Operation, status int, why string) huma.Operation {
	o.Responses[fmt.Sprint(status)] = &huma.Response{Description: why}
	return o
}

// Asked is an orchestration with what it is given, to be planned or started.
type Asked struct {
	Orchestration string `json:"orchestration,omitempty" maxLength:"200" doc:"The name of one that is kept; or else content."`
	Version       int    `json:"version,omitempty" minimum:"0" doc:"A version of it; without it the latest."`
	Content       string `json:"content,omitempty" doc:"The orchestration's text, where it is not kept."`
	Format        string `json:"format,omitempty" enum:"yaml,json,starlark,star" doc:"What the text is; without it yaml, or json for a text that begins with a brace."`
	Lenient       bool   `json:"lenient,omitempty" doc:"Warn of keys that an orchestration file may not have."`

	Params map[string]json.RawMessage `json:"params,omitempty" doc:"The parameters by name."`
	Seed   *Seed                      `json:"seed,omitempty" doc:"Takes the place of the hash of script and parameters: a whole number, or its digits in a string."`
}

// Seed is the seed of a run: up to 64 bits, more than a number of JSON holds safely.
type Seed uint64

// seedExpected says what a seed is.
const seedExpected = "expected a whole number from 0 to 18446744073709551615, or its digits in a string"

// Schema implements huma.SchemaProvider.
func (Seed) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, Pattern: "^[0-9]{1,20}$"}, {Type: huma.TypeInteger, Minimum: new(float64)},
	}}
}

// MarshalJSON writes the digits in a string.
func (n Seed) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%d"`, uint64(n)), nil }

// UnmarshalJSON reads a number or its digits in a string.
func (n *Seed) UnmarshalJSON(text []byte) error {
	if len(text) > 2 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	seed, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return errors.New("seed: " + seedExpected)
	}
	*n = Seed(seed)
	return nil
}

// find reads the orchestration that is asked for.
func (a *Asked) find(s *Server) (*loaded, string, error) {
	if (a.Orchestration == "") == (a.Content == "") {
		return nil, "", problemf(400, "invalid_request", "expected either the name of an orchestration, or its content")
	}
	d := (&Source{Content: a.Content, Format: a.Format, Lenient: a.Lenient}).definition()
	if a.Orchestration != "" {
		kept, _, err := s.definition(a.Orchestration, a.Version)
		if err != nil {
			return nil, "", err
		}
		d = *kept
	}
	l, err := s.scripts.load(d.Format, d.Content, d.Lenient)
	return l, d.Content, err
}

// planned plans an orchestration as somebody would run it. Of one that is wrong the
// error is a *Problem.
func (s *Server) planned(l *loaded, who Who, details bool, params map[string]json.RawMessage, seed *uint64) (*app.Result, error) {
	env, _, err := s.targets.environment(nil)
	if err != nil {
		return nil, err
	}
	opt := app.PlanOptions{Options: s.permitted(who), MaxRecords: maxPlan, Details: details}
	if opt.Isolate {
		cheap(&opt.Options)
		done, err := s.plans.take(s.ctx, who.Kind+" "+who.Name)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	opt.Env, opt.Params, opt.Seed = env, given(params), seed
	return l.script.Plan(opt)
}

// maxPlan bounds the records of a plan that is asked for: its answer has them all.
const maxPlan = 20_000

// Checked is an orchestration as text that is to be validated.
type Checked struct {
	Source
	Params map[string]json.RawMessage `json:"params,omitempty" doc:"The parameters by name: those without a default are needed."`
}

// Validated is what there is to say of an orchestration.
type Validated struct {
	Valid    bool      `json:"valid" doc:"Whether it can be run."`
	Name     string    `json:"name" doc:"The name that it gives itself."`
	Steps    int       `json:"steps" doc:"How many steps are written in it."`
	Findings []Finding `json:"findings" nullable:"false" doc:"What there is to say."`
}

// judgeOrchestrations are the routes that say what is wrong, and what a run would do.
func (s *Server) judgeOrchestrations(tag, base string) {
	type validated struct{ Body Validated }
	huma.Register(s.api, op("POST", base+"/validate", "validate-orchestration", Viewer, "Say everything that is wrong with an orchestration. One that is wrong is a 400, as wherever it is sent.", tag), func(ctx context.Context, in *struct{ Body Checked }) (*validated, error) {
		d := in.Body.definition()
		l, err := s.scripts.load(d.Format, d.Content, d.Lenient)
		if err != nil {
			return nil, asProblem(err)
		}
		out := Validated{Valid: true, Name: l.script.Name(), Steps: l.script.Steps(), Findings: findings(l.diags, l.source(d.Content))}
		res, err := s.planned(l, whoOf(ctx), false, in.Body.Params, nil)
		if err != nil {
			return nil, failedPlan(err, l, d.Content)
		}
		if diags := l.script.Errors(res); res.Outcome.Verdict == journal.VerdictInvalid {
			return nil, diagnosed(400, diags, l.source(d.Content))
		}
		if res.View.Name != "" {
			out.Name = res.View.Name
		}
		return &validated{out}, nil
	})
	type plan struct{ Body *view.Plan }
	huma.Register(s.api, op("POST", base+"/plan", "plan-orchestration", Viewer, "Show what a run would do. Nothing outside is touched.", tag), func(ctx context.Context, in *struct{ Body Asked }) (*plan, error) {
		l, content, err := in.Body.find(s)
		if err != nil {
			return nil, asProblem(err)
		}
		res, err := s.planned(l, whoOf(ctx), true, in.Body.Params, (*uint64)(in.Body.Seed))
		if err != nil {
			return nil, failedPlan(err, l, content)
		}
		if refused := l.script.NoRun(res); len(refused) > 0 { // nothing of it would be done, so there is no plan
			return nil, diagnosed(400, refused, l.source(content))
		}
		p := view.PlanJSON(res.View)
		p.NotTaken = res.NotTakenText()
		p.Warnings = append(p.Warnings, res.Warnings...)
		return &plan{p}, nil
	})
}

// failedPlan is the problem of a plan that could not be made.
func failedPlan(err error, l *loaded, content string) error {
	var refused app.Refusals
	if errors.As(err, &refused) {
		return diagnosed(422, refused.Diagnostics(), l.source(content))
	}
	return asProblem(err)
}
