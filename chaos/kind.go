package chaos

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Kind is one kind of fault: a row of the table that constructors, checks, help,
// reference and engines go by.
type Kind struct {
	// Name is the constructor's: fault.NAME.
	Name string
	// Sig is the constructor's signature, made from Params, in the notation of the
	// language's other builtins.
	Sig string
	// Doc says what the client sees. Its first sentence is the summary.
	Doc string
	// Params are the kind's own parameters, in the order of the signature.
	// probability and match, which every kind that needs a target has, are not among them.
	Params []ParamSpec
	// Protocols lists those the kind can be done on. It is empty for kinds that the
	// orchestrator does by itself, without a target.
	Protocols []string
	// Terminates: it is done only where the target terminates TLS, see OnTLS.
	Terminates bool

	// does names parameters of which one at least has to be above 0 for a fault to do anything.
	// Of a kind without them every fault does.
	does []string
	// check looks for what no single parameter shows; each is known to be in range.
	check func(f *Fault) error
	// text writes the parameters for people, without the kind's name. A nil one
	// leaves it to paramsText.
	text func(f *Fault) string
}

// ParamSpec is one parameter of a kind.
type ParamSpec struct {
	Name string
	// Doc is one line for the reference.
	Doc  string
	Type ParamType
	// Min and Max bound numbers, both included, in the Type's unit; both 0 is any.
	// Of a string they bound its bytes.
	Min, Max float64
	// Ramp says that a ramp may stand for the value.
	Ramp bool
	// Default is Starlark source; empty marks a required parameter.
	Default string
	// Choices are what a string may be; empty is anything.
	Choices []string
	// KeywordOnly parameters stand behind the "*" of the signature.
	KeywordOnly bool

	// fromHTTP gives the protocol's own code for an HTTP status that was given in its
	// place; nil takes no status. Only codes outside Min and Max are asked for.
	fromHTTP func(status int) (code int, ok bool)
	// canonical gives the one form that is kept of a string that may be written in several;
	// nil keeps what was written. What is wrong with it, it leaves as it is.
	canonical func(string) string
	// value is Default as it reads, nil for None; made with the table.
	value any
}

// Protocols returns the protocols that targets may declare, besides "auto". "http" is
// HTTP/1.1 and HTTP/2, "tls" a stream whose TLS the target terminates.
func Protocols() []string { return []string{"tcp", "http", "grpc", "ws", "graphql", "tls"} }

// streams are the protocols on which a fault of a byte stream acts, whatever it carries.
func streams() []string { return []string{"tcp", "tls"} }

// Kinds returns the table of fault kinds, in the order of the reference. The caller
// owns the result.
func Kinds() []Kind { return slices.Clone(kinds()) }

// table is made once, when it is first asked for: looking a kind up is part of putting
// a fault on. It has no initializer because the rows refer to functions that look
// kinds up.
var table struct {
	once sync.Once
	rows []Kind
}

func kinds() []Kind {
	table.once.Do(func() {
		table.rows = []Kind{
			latencyKind(), bandwidthKind(), packetLossKind(),
			blackholeKind(), timeoutKind(), resetKind(), refuseKind(), slowCloseKind(),
			slicerKind(), limitDataKind(), maxConnectionsKind(), partitionKind(),
			httpErrorKind(), connectionErrorKind(), partialResponseKind(), corruptKind(), rewriteKind(),
			rateLimitKind(), circuitBreakerKind(), bulkheadKind(),
			grpcErrorKind(), grpcAbortKind(),
			wsCloseKind(), wsDropKind(), wsCorruptKind(), wsDelayKind(), wsDuplicateKind(),
			graphqlErrorKind(), graphqlPartialKind(), graphqlSlowFieldsKind(),
			tlsFaultKind(),
			execKind(), httpKind(),
		}
		for i := range table.rows {
			row := &table.rows[i]
			row.Sig = signature(row)
			for j := range row.Params {
				row.Params[j].value = row.Params[j].readDefault()
			}
		}
	})
	return table.rows
}

// row returns the row of a kind in the table, which is not to be changed, or nil.
func rowOf(name string) *Kind {
	rows := kinds()
	for i := range rows {
		if rows[i].Name == name {
			return &rows[i]
		}
	}
	return nil
}

// KindOf returns the row of a kind, or an error that names those there are.
func KindOf(name string) (Kind, error) {
	if row := rowOf(name); row != nil {
		return *row, nil
	}
	var names []string
	for _, k := range kinds() {
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("fault kind %s is unknown; there are %s", describe(name), strings.Join(names, ", "))
}

// Targeted reports whether faults of this kind are put on a target. The others are
// done by the orchestrator itself.
func (k *Kind) Targeted() bool { return len(k.Protocols) > 0 }

// Speaks returns nil if the kind can be done on protocol, else an error that says on
// which it can. Every kind that needs a target can be put on "auto".
func (k *Kind) Speaks(protocol string) error {
	if !k.Targeted() {
		return fmt.Errorf("a fault of kind %s is put on no target; leave out the target", k.Name)
	}
	if protocol == "auto" || slices.Contains(k.Protocols, protocol) {
		return nil
	}
	return fmt.Errorf("a fault of kind %s cannot be done on protocol %s; it can on %s and auto",
		k.Name, protocol, strings.Join(k.Protocols, ", "))
}

func (k *Kind) param(name string) *ParamSpec {
	for i := range k.Params {
		if k.Params[i].Name == name {
			return &k.Params[i]
		}
	}
	return nil
}

func (k *Kind) paramNames() string {
	names := k.ownNames()
	if k.Targeted() {
		names = append(names, "probability", "match")
	}
	return strings.Join(names, ", ")
}

// ownNames are those of its parameters.
func (k *Kind) ownNames() []string {
	names := make([]string, len(k.Params))
	for i, p := range k.Params {
		names[i] = p.Name
	}
	return names
}

// signature writes the constructor of k. It is made, not written, so that it cannot
// say other than Params.
func signature(k *Kind) string {
	var b strings.Builder
	b.WriteString("fault." + k.Name + "(")
	starred := false
	for i, p := range k.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		if p.KeywordOnly && !starred {
			starred = true
			b.WriteString("*, ")
		}
		b.WriteString(p.Name + ": " + sigType(p.Type))
		if p.Ramp && p.Type != TypeRange { // there each end may be a ramp, not the pair
			b.WriteString("~")
		}
		if p.Default != "" {
			b.WriteString(" = " + p.Default)
		}
	}
	if !k.Targeted() { // what a request decides is not asked for where there are none
		b.WriteString(")")
		return b.String()
	}
	if len(k.Params) > 0 {
		b.WriteString(", ")
	}
	if !starred {
		b.WriteString("*, ")
	}
	b.WriteString("probability: share~ = 1, match: match = None)")
	return b.String()
}
