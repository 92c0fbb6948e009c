package effects

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoregistry"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// The codes of an EffectError that this package gives; see the package comment.
const (
	CodeTimeout  = "timeout"
	CodeRefused  = "refused"
	CodeReset    = "reset"
	CodeDNS      = "dns"
	CodeTLS      = "tls"
	CodeEOF      = "eof"
	CodeDenied   = "denied"
	CodeInvalid  = "invalid"
	CodeNotFound = "not_found"
	CodeStopped  = "stopped"
	CodeFailed   = "failed"
)

// Options are what does not depend on permission. The zero value works.
type Options struct {
	// IdleTimeout is how long "http" keeps an unused connection for the next request
	// to the same host. Zero is one second, short enough that a request after a pause
	// meets a connection fault as a new client would; negative: every request has a
	// connection of its own, as those of probes always have.
	IdleTimeout time.Duration
	// ExecGrace is the time between SIGTERM and SIGKILL, and how long output pipes
	// that a child keeps open are waited for. Zero is two seconds.
	ExecGrace time.Duration
	// Compress is how many times faster than the wall clock the run's time passes: load
	// lasts that much shorter, at the same rate. 0 is 1.
	Compress int
	// TLS is the client's configuration, for example with RootCAs of an environment.
	// Nil uses the system's roots.
	TLS *tls.Config
	// Descriptors say what the messages of gRPC methods are, where the server does not
	// by reflection. May be nil.
	Descriptors *protoregistry.Files
	// Channels are where notify sends messages, by name.
	Channels map[string]Channel
	// Logger gets the messages of channels of kind "log". Nil: nobody does.
	Logger *slog.Logger
	// Reveal puts the text of secrets in place of their placeholders. It is given
	// every string in the arguments of an effect just before it is performed; the
	// journal has the arguments before that. Nil leaves them as they are.
	Reveal func(string) string
	// Redact puts the placeholders back. It is given every string of every report,
	// answer and error before anybody sees it. Nil leaves them as they are.
	Redact func(string) string
}

// Row is one kind of effect.
type Row struct {
	Kind      string
	Performer runtime.Performer
	Planner   runtime.Planner

	// check says whether the policy permits what args ask for; nil permits.
	check func(args json.RawMessage) error
	// sim says what simulated answers of this kind may contain; nil takes any.
	sim *simulation
}

// Table has the rows by kind.
type Table map[string]Row

// Effects performs and plans effects by the rows of its table. It is safe for
// concurrent use and is not changed after it was made.
type Effects struct {
	table  Table
	client *client
	// notifier makes the requests of channels, to anywhere but metadata addresses.
	notifier *client
	exec     *execer
	loads    *loader
	opts     Options
}

var (
	_ runtime.Performer = (*Effects)(nil)
	_ runtime.Planner   = (*Effects)(nil)
)

// New returns the effects of this package under policy. Close releases what it
// keeps open.
func New(policy Policy, opts Options) *Effects {
	e := &Effects{client: newClient(policy, opts), notifier: newClient(Policy{Network: []string{"*"}}, opts), exec: newExecer(policy, opts), loads: newLoader(policy, opts), opts: opts}
	e.table = Table{
		KindHTTP:  {KindHTTP, performFunc(e.performHTTP), planFunc(planHTTP), e.checkHTTP, simulatedHTTP()},
		KindExec:  {KindExec, performFunc(e.performExec), planFunc(planExec), e.checkExec, simulatedExec()},
		KindProbe: {KindProbe, performFunc(e.performProbe), new(readingPlanner), e.checkProbe, simulatedReading()},
		KindWatch: {KindWatch, performFunc(e.performWatch), planFunc(planWatch), e.checkWatch, simulatedWatch()},

		KindTCP:        {KindTCP, performFunc(e.performTCP), planFunc(planTCP), e.checkTCP, simulatedTCP()},
		KindDNS:        {KindDNS, performFunc(e.performDNS), planFunc(planDNS), e.checkDNS, simulatedDNS()},
		KindGRPC:       {KindGRPC, performFunc(e.performGRPC), planFunc(planGRPC), e.checkGRPC, simulatedGRPC()},
		KindPrometheus: {KindPrometheus, performFunc(e.performPrometheus), planFunc(planPrometheus), e.checkPrometheus, simulatedPrometheus()},
		KindNotify:     {KindNotify, performFunc(e.performNotify), planFunc(planNotify), nil, simulatedNotify()},
		KindLoad:       {KindLoad, performFunc(e.performLoad), planFunc(e.planLoad), e.checkLoad, simulatedFigures()},
		KindLoadWindow: {KindLoadWindow, performFunc(e.performLoadWindow), planFunc(planLoadWindow), nil, simulatedWindow()},

		KindLoadDescribe: {KindLoadDescribe, performFunc(e.performLoadDescribe), planFunc(planLoadDescribe), e.checkLoadDescribe, nil},
	}
	return e
}

// With returns effects that have one more kind, or another performer and planner
// for a kind they had. e is not changed; both share connections, so Close of
// either closes the idle ones of both.
func (e *Effects) With(kind string, performer runtime.Performer, planner runtime.Planner) *Effects {
	with := *e
	with.table = maps.Clone(e.table)
	with.table[kind] = Row{Kind: kind, Performer: performer, Planner: planner}
	return &with
}

// Kinds are the kinds of effect, sorted.
func (e *Effects) Kinds() []string { return slices.Sorted(maps.Keys(e.table)) }

// Table is a copy of the table.
func (e *Effects) Table() Table { return maps.Clone(e.table) }

// Close closes idle connections. Effects that are under way go on.
func (e *Effects) Close() {
	e.client.close()
	e.notifier.close()
}

// row finds the row of a kind.
func (e *Effects) row(kind string) (Row, error) {
	if row, ok := e.table[kind]; ok {
		return row, nil
	}
	return Row{}, problem(CodeInvalid, "unknown kind of effect %q; known are %s", kind, strings.Join(e.Kinds(), ", "))
}

// Perform implements runtime.Performer.
func (e *Effects) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	row, err := e.row(call.Kind)
	if err != nil {
		return nil, err
	}
	if row.Performer == nil {
		return nil, problem(CodeInvalid, "effects of kind %q are not performed here, only planned", call.Kind)
	}
	if call.Looking {
		ctx = asProbe(ctx)
	}
	if e.opts.Reveal == nil && e.opts.Redact == nil {
		return row.Performer.Perform(ctx, call)
	}
	if err := e.secretHosts(call.Kind, call.Args); err != nil {
		return nil, err
	}
	return e.performSecretly(ctx, row.Performer, call)
}

// Plan implements runtime.Planner. Whatever the kind, "simulated" in the arguments
// is laid over its planned answer.
func (e *Effects) Plan(req *runtime.Request) (runtime.Planned, error) {
	row, err := e.row(req.Kind)
	if err != nil {
		return runtime.Planned{}, err
	}
	if row.Planner == nil {
		return runtime.Planned{}, problem(CodeInvalid, "effects of kind %q have no planned answer", req.Kind)
	}
	planned, err := row.Planner.Plan(req)
	if err != nil || !mentions(req.Args, "simulated") {
		return planned, err
	}
	var args struct {
		Simulated json.RawMessage `json:"simulated"`
	}
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return runtime.Planned{}, problem(CodeInvalid, "arguments of %s: %v", req.Kind, err)
	}
	if isNull(args.Simulated) {
		return planned, nil
	}
	planned, err = row.sim.over(req, planned, args.Simulated)
	if err != nil {
		return runtime.Planned{}, problem(CodeInvalid, "simulated answer of %s: %v", req.Kind, err)
	}
	return planned, nil
}

// Check says whether an effect of that kind with these arguments is permitted, as
// far as that can be known without doing it: a name that resolves to a forbidden
// address is found out only by the effect itself. Kinds added by With are permitted.
func (e *Effects) Check(kind string, args json.RawMessage) error {
	row, err := e.row(kind)
	if err != nil || row.check == nil {
		return err
	}
	return row.check(args)
}

// performFunc is a function as a runtime.Performer.
type performFunc func(ctx context.Context, call *runtime.Call) (any, error)

func (f performFunc) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	return f(ctx, call)
}

// planFunc is a function as a runtime.Planner.
type planFunc func(req *runtime.Request) (runtime.Planned, error)

func (f planFunc) Plan(req *runtime.Request) (runtime.Planned, error) { return f(req) }

// problem makes an EffectError.
func problem(code, format string, args ...any) *journal.EffectError {
	return &journal.EffectError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// stopped is what a cancelled effect returns.
func stopped(kind string) *journal.EffectError {
	return problem(CodeStopped, "%s was stopped before it had an answer", kind)
}

// asProblem is err as an EffectError; a plain error becomes one with that code.
func asProblem(err error, code string) *journal.EffectError {
	var p *journal.EffectError
	if errors.As(err, &p) {
		return p
	}
	return problem(code, "%v", err)
}

// decodeArgs reads the arguments of an effect. A key that v does not have is an
// error: a limit that was misspelt would otherwise silently not hold.
func decodeArgs(kind string, args json.RawMessage, v any) error {
	if err := decodeStrict(args, v); err != nil {
		return problem(CodeInvalid, "arguments of %s: %v", kind, err)
	}
	return nil
}

// decodeStrict reads one JSON value into v, without unknown keys and trailing text.
func decodeStrict(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return plainly(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// plainly says without Go's types what is wrong with a JSON text.
func plainly(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	expected := "another value"
	switch wrong.Type.Kind() {
	case reflect.Bool:
		expected = "a bool"
	case reflect.Int, reflect.Int64:
		expected = "an integer"
	case reflect.String:
		expected = "a string"
	case reflect.Map, reflect.Struct:
		expected = "an object"
	case reflect.Slice:
		expected = "a list"
		if wrong.Type.Elem().Kind() == reflect.Uint8 {
			expected = "base64 in a string"
		}
	}
	found := map[string]string{"string": "a string", "number": "a number", "bool": "a bool", "object": "an object", "array": "a list"}[wrong.Value]
	if found == "" {
		found = "the " + wrong.Value // "number 1.5"
	}
	if wrong.Field == "" {
		return fmt.Errorf("found %s; expected %s", found, expected)
	}
	return fmt.Errorf("%s is %s; expected %s", wrong.Field, found, expected)
}

// mentions reports whether args can have the key. It spares planning a decode:
// most arguments have none of the keys that matter to it.
func mentions(args json.RawMessage, key string) bool {
	return bytes.Contains(args, []byte(key))
}

// isNull reports whether a member of an object was absent or null.
func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null"
}
