package effects

import (
	"encoding/json"
	"slices"

	"starquake/runtime"
)

// judging is a probe that can judge an answer that was written for the call which it
// makes: {"status": 503} for whatever asks that URL is bad for a probe of it, too.
type judging interface {
	probe
	// members are those that tell such an answer from a written reading.
	members() []string
	// written is the reading of such an answer.
	written(answer json.RawMessage) (Reading, error)
}

// writtenReading is the reading that a person wrote for a probe: as a reading, or as the
// answer of the call that the probe makes.
func writtenReading(p probe, data json.RawMessage) (Reading, error) {
	if j := judges(p, data); j != nil {
		return j.written(data)
	}
	r := p.planned()
	sim := simulatedReading()
	fields, _, err := sim.read(data)
	if err == nil {
		err = sim.validate(fields)
	}
	if err != nil {
		return r, err
	}
	merged, err := merge(r, fields)
	if err == nil {
		err = json.Unmarshal(merged, &r)
	}
	return r, err
}

// judges gives the probe that is to judge written data, nil where they are a reading.
func judges(p probe, data json.RawMessage) judging {
	if s, ok := p.(simulatedProbe); ok {
		p = s.probe
	}
	j, ok := p.(judging)
	var fields map[string]json.RawMessage
	if !ok || json.Unmarshal(data, &fields) != nil || fields["ok"] != nil {
		return nil
	}
	if !slices.ContainsFunc(j.members(), func(name string) bool { return fields[name] != nil }) {
		return nil
	}
	return j
}

// planWritten plans a probe that is read, or watched, with what a person wrote for it. It
// is not ok for any other effect, and for the summary of a watch.
func planWritten(req *runtime.Request, data json.RawMessage) (planned runtime.Planned, ok bool, err error) {
	switch req.Kind {
	case KindProbe:
		p, err := parseProbe(req.Args)
		if err != nil || judges(p, data) == nil {
			return planned, false, err
		}
		r, err := writtenReading(p, data)
		return runtime.Planned{Done: &runtime.PlannedEvent{After: r.Elapsed, Data: r}}, true, err
	case KindWatch:
		var fields map[string]json.RawMessage
		if json.Unmarshal(data, &fields) != nil {
			return planned, false, nil // said by who reads it as a summary
		}
		sim := simulatedWatch()
		for name := range fields {
			if slices.Contains(sim.keys(), name) {
				return planned, false, nil
			}
		}
		args, p, err := parseWatch(req.Args)
		if err != nil {
			return planned, false, err
		}
		r, err := writtenReading(p, data)
		return newWatchPlan(args, simulatedProbe{p, r}).planned(), true, err
	}
	return planned, false, nil
}

// overPlanned lays written members over a planned answer.
func overPlanned[A any](sim *simulation, planned *A, written json.RawMessage) (fields map[string]json.RawMessage, err error) {
	if fields, _, err = sim.read(written); err != nil {
		return nil, err
	}
	if err := sim.validate(fields); err != nil {
		return nil, err
	}
	merged, err := merge(planned, fields)
	if err == nil {
		err = json.Unmarshal(merged, planned)
	}
	return fields, err
}

func (p *HTTPProbe) members() []string {
	return []string{"status", "headers", "body", "body_base64", "json", "elapsed", "truncated"}
}

func (p *HTTPProbe) written(data json.RawMessage) (Reading, error) {
	answer := &HTTPAnswer{Status: p.Status.First()}
	fields, err := overPlanned(simulatedHTTP(), answer, data)
	if err != nil {
		return Reading{}, err
	}
	asked := *p
	if fields["body"] == nil && fields["body_base64"] == nil { // the planned body has what the probe looks for
		asked.Contains, asked.JSON = "", nil
	}
	r := Reading{OK: true, Elapsed: answer.Elapsed}
	if answer.Status != 0 {
		r.Value = answer.Status
	}
	if err := asked.judge(answer); err != nil {
		r.OK, r.Error = false, err.Error()
	}
	return r, nil
}

func (p *ExecProbe) members() []string {
	return []string{"code", "stdout", "stderr", "signal"}
}

func (p *ExecProbe) written(data json.RawMessage) (Reading, error) {
	answer := &ExecAnswer{Code: p.Code, Stdout: p.Stdout}
	if _, err := overPlanned(simulatedExec(), answer, data); err != nil {
		return Reading{}, err
	}
	r := Reading{OK: true, Elapsed: answer.Elapsed}
	if answer.Code >= 0 {
		r.Value = answer.Code
	}
	if err := p.judge(answer, p.Stdout); err != nil {
		r.OK, r.Error = false, err.Error()
	}
	return r, nil
}

func (p *PrometheusProbe) members() []string { return []string{"value", "samples"} }

func (p *PrometheusProbe) written(data json.RawMessage) (Reading, error) {
	answer := &PrometheusAnswer{}
	if _, err := overPlanned(simulatedPrometheus(), answer, data); err != nil {
		return Reading{}, err
	}
	r := Reading{Elapsed: answer.Elapsed}
	if answer.Error != nil {
		r.Error = answer.Error.Code + ": " + answer.Error.Message
		return r, nil
	}
	p.judge(answer.Samples, &r)
	return r, nil
}
