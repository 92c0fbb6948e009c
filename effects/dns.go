package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/units"
)

// KindDNS looks a name up. Its answer is a DNSAnswer.
const KindDNS = "dns"

// The response codes that a script meets most; others come as servers name them.
const (
	DNSFound   = "NOERROR"
	DNSMissing = "NXDOMAIN"
)

// maxRecords bounds the records of one answer.
const maxRecords = 256

// DNSTypes are the types of record that can be asked for.
func DNSTypes() []string { return []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"} }

// DNSArgs are the arguments of kind "dns".
type DNSArgs struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"` // "" is "A"
	// Server is the name server, "host:port" or "host". "" is the system's resolver,
	// with its hosts file and search list, as programs on this machine use it.
	Server  string        `json:"server,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
	// PlannedCode is the response code of the planned answer; "" is "NOERROR".
	PlannedCode string          `json:"planned_code,omitempty"`
	Simulated   json.RawMessage `json:"simulated,omitempty"`
}

// DNSAnswer is the answer of kind "dns".
type DNSAnswer struct {
	// Code is the response code, "NOERROR" or "NXDOMAIN" for example; "" without answer.
	Code string `json:"code,omitempty"`
	// Records are the data of the records of the type that was asked for, sorted: of
	// "A" addresses, of "MX" texts such as "10 mail.example.com.".
	Records   []string             `json:"records"`
	Truncated bool                 `json:"truncated,omitempty"` // there were more
	Elapsed   time.Duration        `json:"elapsed"`
	Error     *journal.EffectError `json:"error,omitempty"`
}

// validate fills in what the arguments leave open, and refuses what is wrong.
func (args *DNSArgs) validate() error {
	args.Type = cmp.Or(args.Type, "A")
	if !slices.Contains(DNSTypes(), args.Type) {
		return problem(CodeInvalid, "%q is no type of record that can be asked for; known are %s", args.Type, strings.Join(DNSTypes(), ", "))
	}
	if args.Name == "" || len(args.Name) > 255 || strings.ContainsFunc(args.Name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return problem(CodeInvalid, "%q is no name to look up: expected 1 to 255 characters without blanks", args.Name)
	}
	if args.Server == "" {
		return nil
	}
	if addr, err := netip.ParseAddr(args.Server); err == nil {
		args.Server = netip.AddrPortFrom(addr, 53).String()
	} else if !strings.Contains(args.Server, ":") {
		args.Server += ":53"
	}
	_, _, err := splitAddress(args.Server)
	return err
}

// Form says what is wrong with what is asked and whom, whatever is permitted.
func (args *DNSArgs) Form() error {
	asked := *args
	return asked.validate()
}

// performDNS is the performer of KindDNS.
func (e *Effects) performDNS(ctx context.Context, call *runtime.Call) (any, error) {
	var args DNSArgs
	if err := decodeArgs(KindDNS, call.Args, &args); err != nil {
		return nil, err
	}
	answer := e.lookup(ctx, &args)
	if answer.Error != nil && ctx.Err() != nil {
		return nil, stopped(KindDNS)
	}
	return answer, nil
}

// lookup asks once.
func (e *Effects) lookup(ctx context.Context, args *DNSArgs) *DNSAnswer {
	start := time.Now()
	answer := &DNSAnswer{Records: []string{}}
	if err := e.resolve(ctx, args, answer); err != nil {
		answer.Error = classify(err)
	}
	answer.Elapsed = time.Since(start)
	slices.Sort(answer.Records)
	answer.Records = slices.Compact(answer.Records)
	if answer.Truncated = len(answer.Records) > maxRecords; answer.Truncated {
		answer.Records = answer.Records[:maxRecords]
	}
	for i, text := range answer.Records {
		answer.Records[i] = strings.ToValidUTF8(text, "\uFFFD")
	}
	return answer
}

// resolve puts what is found into answer.
func (e *Effects) resolve(ctx context.Context, args *DNSArgs, answer *DNSAnswer) error {
	if err := e.permitDNS(args); err != nil {
		return err
	}
	timeout := cmp.Or(args.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, problem(CodeTimeout, "no answer within %s", units.FormatDuration(timeout)))
	defer cancel()
	if args.Server != "" {
		return overdue(ctx, e.client.ask(ctx, args, answer))
	}
	records, err := systemLookup(ctx, args.Type, args.Name)
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		answer.Code = DNSMissing
		return nil
	}
	if err != nil {
		return overdue(ctx, err)
	}
	answer.Code, answer.Records = DNSFound, append(answer.Records, records...)
	return nil
}

// systemLookup asks the system's resolver.
func systemLookup(ctx context.Context, kind, name string) (records []string, err error) {
	r := net.DefaultResolver
	switch kind {
	case "A", "AAAA":
		network := map[string]string{"A": "ip4", "AAAA": "ip6"}[kind]
		addrs, err := r.LookupNetIP(ctx, network, name)
		for _, addr := range addrs {
			records = append(records, addr.Unmap().String())
		}
		return records, err
	case "CNAME":
		alias, err := r.LookupCNAME(ctx, name)
		if err != nil || strings.EqualFold(plainHost(alias), plainHost(name)) {
			return nil, err // without an alias the resolver gives the name itself
		}
		return []string{alias}, nil
	case "MX":
		found, err := r.LookupMX(ctx, name)
		for _, mx := range found {
			records = append(records, fmt.Sprintf("%d %s", mx.Pref, mx.Host))
		}
		return records, err
	case "NS":
		found, err := r.LookupNS(ctx, name)
		for _, ns := range found {
			records = append(records, ns.Host)
		}
		return records, err
	case "SRV":
		_, found, err := r.LookupSRV(ctx, "", "", name)
		for _, srv := range found {
			records = append(records, fmt.Sprintf("%d %d %d %s", srv.Priority, srv.Weight, srv.Port, srv.Target))
		}
		return records, err
	case "PTR":
		return r.LookupAddr(ctx, name)
	}
	return r.LookupTXT(ctx, name)
}

// permitDNS validates the arguments and says whether the policy permits them.
func (e *Effects) permitDNS(args *DNSArgs) error {
	if err := args.validate(); err != nil {
		return err
	}
	if args.Server != "" {
		return e.client.network.checkAddress(args.Server)
	}
	return e.client.network.checkLookup(args.Name)
}

// checkDNS is the Check of KindDNS.
func (e *Effects) checkDNS(raw json.RawMessage) error {
	var args DNSArgs
	if err := decodeArgs(KindDNS, raw, &args); err != nil {
		return err
	}
	return e.permitDNS(&args)
}

// planDNS is the planner of KindDNS: one record, an address that is reserved for
// documentation, or a name that cannot exist.
func planDNS(req *runtime.Request) (runtime.Planned, error) {
	var args DNSArgs
	if err := decodeArgs(KindDNS, req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	answer := DNSAnswer{Code: cmp.Or(args.PlannedCode, DNSFound), Records: []string{}, Elapsed: plannedElapsed}
	if answer.Code == DNSFound {
		record := map[string]string{"": "192.0.2.1", "A": "192.0.2.1", "AAAA": "2001:db8::1"}[args.Type]
		answer.Records = append(answer.Records, cmp.Or(record, "planned.invalid."))
	}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: answer}}, nil
}

// simulatedDNS is what a simulated DNSAnswer may contain. A code other than NOERROR,
// and an error, have no records beside them unless they are given.
func simulatedDNS() *simulation {
	return &simulation{
		answer: func() any { return new(DNSAnswer) },
		adapt: func(fields map[string]json.RawMessage) error {
			_, failed := fields["error"]
			code, coded := fields["code"]
			if (failed || coded && string(code) != `"`+DNSFound+`"`) && fields["records"] == nil {
				fields["records"] = json.RawMessage("[]")
			}
			if failed && !coded {
				fields["code"] = json.RawMessage(`""`)
			}
			return nil
		},
	}
}
