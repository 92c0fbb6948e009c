package effects

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// hidden is an answer or a report that has no text of secrets any more, or a probe whose
// readings have none: whoever made it took it out of each text, before it cut or quoted
// it, when a secret could still be found. To redact it again would break up the
// placeholders.
type hidden interface{ hidden() }

func (*HTTPAnswer) hidden()  {}
func (*ExecAnswer) hidden()  {}
func (Reading) hidden()      {} // since look gave it
func (WatchReport) hidden()  {}
func (WatchSummary) hidden() {}
func (*HTTPProbe) hidden()   {}
func (*ExecProbe) hidden()   {}
func (allProbe) hidden()     {}
func (anyProbe) hidden()     {}

// secretOpen begins the name of a secret where its text is to stand.
const secretOpen = "⟦secret:"

// namesSecret reports whether a text is made of a secret's, which is not known yet.
func namesSecret(text string) bool { return strings.Contains(text, secretOpen) }

// hide takes the text of secrets out of what came from outside, once.
func (o *Options) hide(text string) string {
	if o.Redact == nil {
		return text
	}
	return o.Redact(text)
}

// hideProblem is hide for an error.
func (o *Options) hideProblem(p *journal.EffectError) *journal.EffectError {
	if p == nil || o.Redact == nil {
		return p
	}
	return &journal.EffectError{Code: p.Code, Message: o.Redact(p.Message)}
}

// look reads a probe. What its reading says is without the text of secrets, whatever
// the probe did about them.
func (e *Effects) look(ctx context.Context, p probe) Reading {
	r := p.read(asProbe(ctx), e)
	if s, ok := p.(simulatedProbe); ok {
		p = s.probe
	}
	if _, ok := p.(hidden); ok || e.opts.Redact == nil {
		return r
	}
	r.Error = e.opts.Redact(r.Error)
	if r.Value != nil {
		r.Value = e.redacted(r.Value)
	}
	return r
}

// performSecretly performs a call whose arguments name secrets: their text is put in
// on the way out, and taken out of everything that comes back.
func (e *Effects) performSecretly(ctx context.Context, performer runtime.Performer, call *runtime.Call) (any, error) {
	secret := *call
	if e.opts.Reveal != nil {
		args, err := MapStrings(call.Args, e.opts.Reveal)
		if err != nil {
			return nil, problem(CodeInvalid, "arguments of %s: %v", call.Kind, err)
		}
		secret.Args = args
	}
	if e.opts.Redact == nil {
		return performer.Perform(ctx, &secret)
	}
	if call.Report != nil {
		secret.Report = func(data any) { call.Report(e.redacted(data)) }
	}
	answer, err := performer.Perform(ctx, &secret)
	if err != nil {
		err = e.opts.hideProblem(asProblem(err, CodeFailed))
	}
	if answer == nil {
		return nil, err
	}
	return e.redacted(answer), err
}

// redacted is data without the text of secrets, as JSON. Data that cannot be
// redacted is not passed on.
func (e *Effects) redacted(data any) any {
	if _, ok := data.(hidden); ok {
		return data
	}
	text, err := marshal(data)
	if err == nil {
		text, err = mapTexts(text, e.opts.Redact)
	}
	if err != nil {
		return map[string]any{"error": problem(CodeFailed, "answer withheld: it could not be searched for secrets: %v", err)}
	}
	return json.RawMessage(text)
}

// MapStrings replaces every string value in a JSON text by f of it. Keys, numbers
// and their spelling stay.
func MapStrings(text json.RawMessage, f func(string) string) (json.RawMessage, error) {
	return mapped(text, f, func(key string) string { return key })
}

// mapTexts is MapStrings for keys, too: whoever answers chooses these.
func mapTexts(text json.RawMessage, f func(string) string) (json.RawMessage, error) {
	return mapped(text, f, f)
}

func mapped(text json.RawMessage, f, key func(string) string) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return marshal(mapValue(v, f, key))
}

// mapValue is mapped of a decoded value, in place where it can.
func mapValue(v any, f, key func(string) string) any {
	switch v := v.(type) {
	case string:
		return f(v)
	case []any:
		for i := range v {
			v[i] = mapValue(v[i], f, key)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			v[k] = mapValue(v[k], f, key)
			to := key(k)
			if to == k {
				continue
			}
			if _, taken := v[to]; !taken {
				v[to] = v[k]
			}
			delete(v, k)
		}
	}
	return v
}

// marshal writes v as compact JSON with <, > and & as they are.
func marshal(v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return raw, nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}
