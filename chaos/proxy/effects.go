package proxy

import (
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/graphql"
)

// effectRow is what the proxy does for one kind of fault.
type effectRow struct {
	kind string
	// rank is the place in the order in which a request meets the kinds (FAULTS.md,
	// "How faults compose").
	rank rank
	// prepare makes a valid fault ready. What it returns is used by all connections
	// at once.
	prepare func(f *chaos.Fault) acts
}

// ready makes a valid fault ready.
func (row *effectRow) ready(f *chaos.Fault) acts {
	a := row.prepare(f)
	a.requests = a.request != nil || a.fate != nil || a.body != nil
	a.open = openConnections(f.Text("open_connections"))
	return a
}

// rank orders the kinds as a request meets them.
type rank int

// The ranks.
const (
	rankConnection rank = iota
	rankRateLimit
	rankBulkhead
	rankCircuitBreaker
	rankLatency
	rankError
	rankResponse
	rankBandwidth
)

// acts are the ways a fault acts. A nil one: it does not act there, and a connection
// that offers no other is counted as inapplicable. Each of them is called for what the
// fault hits, and adds what it does to a verdict or a flow.
type acts struct {
	// accept says what becomes of a connection when it is accepted, before a byte,
	// whatever it will speak. open counts the connections there are, with this one.
	accept func(h *hit, open int) (admitted bool)
	// handshake is what is wrong with TLS handshakes that meet the fault; "" is nothing.
	handshake string
	// fate says what becomes of a connection that is not parsed, or of the connection
	// of a request (of HTTP/2: of its stream) that meets the fault.
	fate func(h *hit) fate
	// lets are the ways that a fate or closing leaves alone.
	lets [2]bool
	// open is what becomes of connections that are open when the fault goes on. The
	// empty one is that their next byte or request meets the fault like any other.
	open openConnections
	// onlyOpen: fate is for those alone.
	onlyOpen bool
	// request adds what happens to one request, and reports whether anything does.
	request func(v *verdict, h *hit) bool
	// stream adds what happens to the bytes of one way of a connection that is not
	// parsed, body to those of a request or a response.
	stream, body func(f *flow, h *hit)
	// closing returns by how much the end of a connection is held back.
	closing func(h *hit) time.Duration
	// message adds what happens to one message of a WebSocket, and reports whether
	// anything does. A kind that has it does not act on the bytes of one. Messages that
	// awaits reports true for pass before without meeting the fault.
	// ways says whose messages meet it: those that others send do not count for it.
	message func(m *socketMessage, h *hit) bool
	ways    [2]bool
	awaits  func(m *socketMessage, h *hit) bool
	// editsMessages: it changes messages or leaves them out.
	editsMessages bool
	// refuses: the listener does not listen.
	refuses bool

	// grpc: only gRPC calls meet it. graphql: only GraphQL operations do.
	grpc, graphql bool

	// requests says that requests meet the fault: request, fate or body is there.
	requests bool
}

// applies reports whether the fault can act on a connection that is parsed or not.
func (a *acts) applies(parsed bool) bool {
	if a.accept != nil || a.handshake != "" || a.fate != nil || a.closing != nil || a.refuses {
		return true
	}
	if a.grpc {
		return false // HTTP/2 asks for itself: see countInapplicable
	}
	if parsed {
		return a.request != nil || a.body != nil
	}
	return a.stream != nil
}

// hit is one request, or one connection that is not parsed, that a fault has hit.
type hit struct {
	by      *active
	c       *conn         // nil where nothing is kept for a connection
	n       uint64        // its number for the fault
	now     time.Time     // when it met the fault
	elapsed time.Duration // on the fault's clock
	req     *chaos.Request
	// query is what the request asks for, if it is GraphQL and a fault had it read;
	// operations are those of req, where that may be gone.
	query      *graphql.Request
	operations []chaos.Operation
}

// effectRows is the table of what the proxy does.
func effectRows() []effectRow {
	return []effectRow{
		{"refuse", rankConnection, prepareRefuse},
		{"partition", rankConnection, prepareHang},
		{"blackhole", rankConnection, prepareHang},
		{"timeout", rankConnection, prepareTimeout},
		{"reset", rankConnection, prepareReset},
		{"max_connections", rankConnection, prepareMaxConnections},
		{"tls_fault", rankConnection, prepareTLSFault},
		{"slow_close", rankConnection, prepareSlowClose},
		{"rate_limit", rankRateLimit, prepareRateLimit},
		{"bulkhead", rankBulkhead, prepareBulkhead},
		{"circuit_breaker", rankCircuitBreaker, prepareCircuitBreaker},
		{"latency", rankLatency, prepareLatency},
		{"ws_delay", rankLatency, prepareWSDelay},
		{"graphql_slow_fields", rankLatency, prepareGraphQLSlowFields},
		{"http_error", rankError, prepareHTTPError},
		{"connection_error", rankError, prepareConnectionError},
		{"grpc_error", rankError, prepareGRPCError},
		{"graphql_error", rankError, prepareGraphQLError},
		{"ws_close", rankError, prepareWSClose},
		{"rewrite", rankResponse, prepareRewrite},
		{"corrupt", rankResponse, prepareCorrupt},
		{"partial_response", rankResponse, preparePartialResponse},
		{"grpc_abort", rankResponse, prepareGRPCAbort},
		{"graphql_partial", rankResponse, prepareGraphQLPartial},
		{"ws_drop", rankResponse, prepareWSDrop},
		{"ws_corrupt", rankResponse, prepareWSCorrupt},
		{"ws_duplicate", rankResponse, prepareWSDuplicate},
		{"limit_data", rankResponse, prepareLimitData},
		{"packet_loss", rankBandwidth, preparePacketLoss},
		{"slicer", rankBandwidth, prepareSlicer},
		{"bandwidth", rankBandwidth, prepareBandwidth},
	}
}

// rowOf returns the row of a kind, or nil.
func rowOf(kind string) *effectRow {
	rows := effectRows()
	for i := range rows {
		if rows[i].kind == kind {
			return &rows[i]
		}
	}
	return nil
}

// direction is the way that bytes go.
type direction uint8

const (
	toUpstream direction = iota // requests
	toClient                    // responses
)
