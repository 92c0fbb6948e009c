// Package effects performs what a run asks of the outside world, and says what
// the virtual world answers instead. It is a table: each kind of effect is a row
// with a performer (real world) and a planner (virtual world), and lives in a file
// of its own name.
//
//	kind    arguments   answer         held
//	http    HTTPArgs    HTTPAnswer     no    http.go
//	exec    ExecArgs    ExecAnswer     no    exec.go
//	probe   a probe     Reading        no    probe.go and a file for each kind of probe
//	watch   WatchArgs   WatchSummary   yes   watch.go
//	load    LoadArgs    load.Figures   yes   load.go; its generator is package load
//	load.window  LoadWindowArgs  load.Window  no  load.go
//	load.describe  LoadDescribeArgs  load.Method  no  load_describe.go
//	tcp     TCPArgs     TCPAnswer      no    tcp.go
//	dns     DNSArgs     DNSAnswer      no    dns.go, dns_server.go
//	grpc    GRPCArgs    GRPCAnswer     no    grpc.go, grpc_call.go
//	notify  NotifyArgs  NotifyAnswer   no    notify.go
//	prometheus  PrometheusArgs  PrometheusAnswer  no  prometheus.go
//
// Besides, it does and undoes a Change (change.go), which is what a fault of the user's
// own is made of: programs or a request, and a probe that confirms the undoing.
//
// Other kinds ("fault", "approve", "proxy", …) are added with [Effects.With] by
// whoever assembles a run.
//
// What lives here: the kinds above, the policy that says what they may touch, and
// the answers of the virtual world (planned, simulated, read from a file or from
// another run's journal: recorded.go). What may not: Starlark, scheduling, verdicts,
// anything about faults.
//
// # Plain data
//
// Arguments and answers are JSON. Durations in them are integers of nanoseconds.
// Bytes that are no UTF-8 travel as base64 in a field of their own. Every answer is
// bounded: bodies and outputs are cut to the limit that the arguments give.
//
// # Failure
//
// What the outside did wrong is an answer, not an error: a refused connection is an
// HTTPAnswer whose Error says so, since a script may want to look at it. A performer
// returns an error only where there is no answer to give: the arguments are no such
// arguments ("invalid"), or the effect was cancelled ("stopped"). The codes:
//
//	timeout     no complete answer in the time given
//	refused     connection refused
//	reset       connection or stream reset by the other side
//	dns         the name did not resolve
//	tls         handshake or certificate
//	eof         the connection ended before the answer did
//	denied      the policy forbids it; nothing was sent or started
//	invalid     the arguments make no sense
//	not_found   no such program
//	stopped     cancelled
//	failed      anything else; the message says what
package effects
