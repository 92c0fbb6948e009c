package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// KindPrometheus is an instant query over the HTTP API of Prometheus and of what
// speaks it. Its answer is a PrometheusAnswer.
const KindPrometheus = "prometheus"

// The bounds of the answer to a query.
const (
	maxPrometheusBody = 4 << 20
	maxSamples        = 1000
)

// PrometheusArgs are the arguments of kind "prometheus".
type PrometheusArgs struct {
	// URL is the address of the server, below which /api/v1/query is.
	URL     string            `json:"url"`
	Query   string            `json:"query"`
	Headers map[string]string `json:"headers,omitempty"`
	TLS     *TLSArgs          `json:"tls,omitempty"`
	Timeout time.Duration     `json:"timeout,omitempty"`
	// Simulated is laid over the planned answer.
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// PrometheusAnswer is the answer of kind "prometheus".
type PrometheusAnswer struct {
	// Samples are those of the result, sorted by their labels. A scalar is one without
	// labels. There are none where there are no data.
	Samples   []Sample             `json:"samples"`
	Truncated bool                 `json:"truncated,omitempty"` // there were more
	Elapsed   time.Duration        `json:"elapsed"`
	Error     *journal.EffectError `json:"error,omitempty"`
}

// Sample is a number and its labels.
type Sample struct {
	Labels map[string]string `json:"labels,omitempty"`
	// Value is as Prometheus writes it: JSON has no NaN and no +Inf.
	Value string `json:"value"`
}

// Number is the sample's value.
func (s *Sample) Number() (float64, error) { return strconv.ParseFloat(s.Value, 64) }

// queryURL is the address of a query; below which the API is.
func (args *PrometheusArgs) queryURL() (string, error) {
	if err := args.Form(); err != nil {
		return "", err
	}
	u, err := parseURL(args.URL)
	if err != nil {
		return "", err
	}
	u = u.JoinPath("api/v1/query")
	q := u.Query()
	q.Set("query", args.Query)
	q.Set("timeout", cmp.Or(args.Timeout, DefaultTimeout).String())
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Form says what is wrong with the query and where it goes, whatever is permitted.
func (args *PrometheusArgs) Form() error {
	if err := FormURL(args.URL); err != nil {
		return err
	}
	if strings.TrimSpace(args.Query) == "" {
		return problem(CodeInvalid, "the query is empty")
	}
	return nil
}

// performPrometheus is the performer of KindPrometheus.
func (e *Effects) performPrometheus(ctx context.Context, call *runtime.Call) (any, error) {
	var args PrometheusArgs
	if err := decodeArgs(KindPrometheus, call.Args, &args); err != nil {
		return nil, err
	}
	answer := e.query(ctx, &args)
	if answer.Error != nil && ctx.Err() != nil {
		return nil, stopped(KindPrometheus)
	}
	answer.bound()
	return answer, nil
}

// query asks once. The samples are all of the result, by their labels.
func (e *Effects) query(ctx context.Context, args *PrometheusArgs) *PrometheusAnswer {
	answer := &PrometheusAnswer{Samples: []Sample{}}
	address, err := args.queryURL()
	if err != nil {
		answer.Error = classify(err)
		return answer
	}
	got := e.fetch(ctx, &HTTPArgs{
		URL: address, Headers: args.Headers, TLS: args.TLS, Fresh: true,
		Timeout: cmp.Or(args.Timeout, DefaultTimeout), MaxBody: maxPrometheusBody,
	})
	answer.Elapsed = got.Elapsed
	switch {
	case got.Error != nil:
		answer.Error = got.Error
	case got.Truncated:
		answer.Error = problem(CodeFailed, "the result is larger than %d bytes; aggregate it, for example with sum(…) or topk(10, …)", maxPrometheusBody)
	default:
		if err := answer.read(got); err != nil {
			answer.Samples, answer.Error = []Sample{}, classify(err)
		}
	}
	return answer
}

// read reads the API's answer.
func (a *PrometheusAnswer) read(got *HTTPAnswer) error {
	var reply struct {
		Status, ErrorType, Error string
		Data                     struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(got.Bytes(), &reply); err != nil || reply.Status == "" {
		return problem(CodeFailed, "status %d and the body %q: that is no answer of Prometheus's HTTP API", got.Status, excerpt(got.Bytes()))
	}
	if reply.Status != "success" {
		code := CodeFailed
		switch reply.ErrorType {
		case "bad_data":
			code = CodeInvalid
		case "timeout":
			code = CodeTimeout
		}
		return problem(code, "the query failed (%s): %s", reply.ErrorType, reply.Error)
	}
	switch reply.Data.ResultType {
	case "scalar":
		var point [2]any
		if err := json.Unmarshal(reply.Data.Result, &point); err != nil {
			return problem(CodeFailed, "the scalar of the result is %s: %v", excerpt(reply.Data.Result), err)
		}
		return a.add(nil, point)
	case "vector":
		var vector []struct {
			Metric map[string]string
			Value  [2]any
		}
		if err := json.Unmarshal(reply.Data.Result, &vector); err != nil {
			return problem(CodeFailed, "the vector of the result is %s: %v", excerpt(reply.Data.Result), err)
		}
		for _, v := range vector {
			if err := a.add(v.Metric, v.Value); err != nil {
				return err
			}
		}
		a.sort()
		return nil
	}
	return problem(CodeInvalid, "the query gives a %s; expected one that gives a number or an instant vector, without [range] at its end", cmp.Or(reply.Data.ResultType, "result without type"))
}

// add adds one sample, [time, "value"].
func (a *PrometheusAnswer) add(labels map[string]string, point [2]any) error {
	text, _ := point[1].(string)
	s := Sample{Labels: labels, Value: text}
	if _, err := s.Number(); err != nil {
		return problem(CodeFailed, "a sample's value is %v; expected a number in a text", point[1])
	}
	a.Samples = append(a.Samples, s)
	return nil
}

// bound keeps the first samples.
func (a *PrometheusAnswer) bound() {
	a.Truncated = len(a.Samples) > maxSamples
	a.Samples = a.Samples[:min(len(a.Samples), maxSamples)]
}

// sort sorts the samples, so that the same result is the same answer.
func (a *PrometheusAnswer) sort() {
	texts := make(map[int]string, len(a.Samples))
	order := make([]int, len(a.Samples))
	for i, s := range a.Samples {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
			fmt.Fprintf(&b, "%s\x00%s\x00", name, s.Labels[name])
		}
		texts[i], order[i] = b.String(), i
	}
	slices.SortStableFunc(order, func(x, y int) int { return strings.Compare(texts[x], texts[y]) })
	sorted := make([]Sample, len(order))
	for at, i := range order {
		sorted[at] = a.Samples[i]
	}
	a.Samples = sorted
}

// checkPrometheus is the Check of KindPrometheus.
func (e *Effects) checkPrometheus(raw json.RawMessage) error {
	var args PrometheusArgs
	if err := decodeArgs(KindPrometheus, raw, &args); err != nil {
		return err
	}
	address, err := args.queryURL()
	if err != nil {
		return err
	}
	return e.client.network.checkURL(address)
}

// planPrometheus is the planner of KindPrometheus: one sample of 0, which most
// figures that a script looks at, rates of errors and times, are to be below.
func planPrometheus(*runtime.Request) (runtime.Planned, error) {
	answer := PrometheusAnswer{Samples: []Sample{{Value: "0"}}, Elapsed: plannedElapsed}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: answer}}, nil
}

// simulatedPrometheus is what a simulated PrometheusAnswer may contain. "value" is a
// number in place of samples, null for no data.
func simulatedPrometheus() *simulation {
	return &simulation{
		answer: func() any { return new(PrometheusAnswer) },
		extra:  []string{"value"},
		adapt: func(fields map[string]json.RawMessage) error {
			if _, failed := fields["error"]; failed && fields["samples"] == nil {
				fields["samples"] = json.RawMessage("[]")
			}
			value, ok := fields["value"]
			if !ok {
				return nil
			}
			delete(fields, "value")
			if isNull(value) {
				fields["samples"] = json.RawMessage("[]")
				return nil
			}
			text := strings.Trim(string(value), `"`)
			if _, err := strconv.ParseFloat(text, 64); err != nil {
				return fmt.Errorf("value is %s; expected a number, or null for no data", excerpt(value))
			}
			fields["samples"], _ = marshal([]Sample{{Value: text}}) // a text: cannot fail
			return nil
		},
	}
}
