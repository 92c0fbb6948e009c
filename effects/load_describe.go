package effects

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starquake/effects/load"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// KindLoadDescribe finds out what the method of load takes, and whether its message is one:
// before chaos goes on, which may keep the server from saying it. Its answer is empty.
const KindLoadDescribe = "load.describe"

// LoadDescribeArgs are the arguments of kind "load.describe".
type LoadDescribeArgs struct {
	GRPC load.GRPC `json:"grpc"`
}

// describeWithin is how long the server may take to describe its method.
const describeWithin = 10 * time.Second

// methodKey names a method of a server.
type methodKey struct {
	addr, method string
	tls          bool
}

// NameRelay tells that who speaks with upstream speaks as through a proxy of this process, but
// past its faults. reached reports whether who connects to an address comes to that proxy.
func (e *Effects) NameRelay(reached func(addr string) bool, upstream string) {
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	e.loads.relays = append(e.loads.relays, relay{reached, upstream})
}

// relay is a proxy in this process.
type relay struct {
	reached  func(addr string) bool
	upstream string
}

// beyond is the upstream that an address leads to; "" where it is that of no relay.
func (l *loader) beyond(addr string) (upstream string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range len(l.relays) { // each once: two could name each other
		at := addr
		for _, r := range l.relays {
			if r.reached(at) {
				at = r.upstream
				break
			}
		}
		if at == addr {
			break
		}
		addr, upstream = at, at
	}
	return upstream
}

// performLoadDescribe is the performer of KindLoadDescribe.
func (e *Effects) performLoadDescribe(ctx context.Context, call *runtime.Call) (any, error) {
	args, err := parseLoadDescribe(call.Args)
	if err != nil {
		return nil, err
	}
	method, err := e.loadMethod(ctx, args)
	if err == nil && method != nil {
		_, err = method.Encode(args.Message)
	}
	switch {
	case err == nil:
		return struct{}{}, nil
	case ctx.Err() != nil:
		return nil, stopped(KindLoadDescribe)
	}
	return nil, asProblem(err, CodeInvalid)
}

func parseLoadDescribe(raw json.RawMessage) (*load.GRPC, error) {
	var args LoadDescribeArgs
	return &args.GRPC, decodeArgs(KindLoadDescribe, raw, &args)
}

// checkLoadDescribe is the Check of KindLoadDescribe. That load may go there is for the load
// to ask, which comes after it.
func (e *Effects) checkLoadDescribe(raw json.RawMessage) error {
	args, err := parseLoadDescribe(raw)
	if err != nil {
		return err
	}
	return e.client.network.checkAddress(args.Addr)
}

// planLoadDescribe is the planner of KindLoadDescribe.
func planLoadDescribe(*runtime.Request) (runtime.Planned, error) {
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: struct{}{}}}, nil
}

// loadMethod is what the method of load takes, nil where nobody needs to know. What was
// found out once is kept: load that comes later may meet a fault.
func (e *Effects) loadMethod(ctx context.Context, g *load.GRPC) (*load.Method, error) {
	if !g.NeedsMethod() {
		return nil, nil
	}
	key := methodKey{g.Addr, g.Method, g.TLS}
	e.loads.mu.Lock()
	known := e.loads.methods[key]
	e.loads.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := e.describe(ctx, g)
	if err != nil {
		return nil, err
	}
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	if e.loads.methods == nil {
		e.loads.methods = map[methodKey]*load.Method{}
	}
	e.loads.methods[key] = found
	return found, nil
}

// describe finds the method in the descriptors that are known, or by the server's
// reflection, past the relays of this process and as a probe: nobody's faults count it.
func (e *Effects) describe(ctx context.Context, g *load.GRPC) (*load.Method, error) {
	ctx, cancel := context.WithTimeoutCause(asProbe(ctx), describeWithin, problem(CodeTimeout, "no complete answer within %s", describeWithin))
	defer cancel()
	args := &GRPCArgs{Addr: g.Addr, Method: g.Method}
	if g.TLS {
		args.TLS = new(TLSArgs)
	}
	if err := args.validate(); err != nil {
		return nil, err
	}
	if err := e.client.network.checkAddress(args.Addr); err != nil {
		return nil, err
	}
	dial := e.client.dial
	if upstream := e.loads.beyond(g.Addr); upstream != "" {
		dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialUpstream(ctx, network, upstream)
		}
	}
	var met dialError
	conn, err := e.client.grpcConnBy(ctx, args, &met, dial)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	method, types, closeTypes, err := e.findMethod(ctx, conn, g.Method)
	defer closeTypes()
	var p *journal.EffectError
	switch {
	case err == nil:
		return &load.Method{Descriptor: method, Types: types}, nil
	case errors.As(err, &p):
		return nil, p
	case ctx.Err() != nil:
		err = overdue(ctx, err)
	case status.Code(err) == codes.Unavailable && met.get() != nil:
		err = met.get()
	}
	cause := classify(err)
	return nil, problem(cause.Code, "what %s takes could not be asked of the server at %s: %s", g.Method, g.Addr, cause.Message)
}

// dialUpstream connects to the upstream of a relay of this process, as the relay does.
func dialUpstream(ctx context.Context, network, upstream string) (net.Conn, error) {
	dialer := net.Dialer{Control: func(_, resolved string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(resolved)
		if err != nil {
			return problem(CodeDenied, "%q is no address that a policy could permit", resolved)
		}
		return CheckRelayed(upstream, to)
	}}
	return dialer.DialContext(ctx, network, upstream)
}
