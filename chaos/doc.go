// Package chaos is the fault model: what a fault is, which kinds there are, how a
// fault is written, checked and shown, and how its random decisions fall.
//
// Here live plain values and pure functions of them:
//
//	Kind      one row of the table of fault kinds: parameters, ranges, protocols
//	Fault     a kind with its parameters, probability, match and pulse
//	Value     a number that is constant or a ramp over time
//	Match     which requests a fault concerns; Matcher and Request, the same made ready
//	Draws     the random decisions of one fault, as functions of a request's number
//	Latency, RateLimit, CircuitBreaker, …   a fault of each kind made ready: what an
//	          engine asks for each request, chunk or message
//	Stats     what a fault saw and hit
//	Scenario, Profile   predefined sets of faults
//	FromConfig   the config schema of orchestration files, read as faults
//
// Nothing here opens, reads, waits or logs, nothing asks for the time or draws by
// itself, and nothing knows Starlark. What has state (buckets, circuits, queues) is
// told the time and may be used by many connections at once. What carries
// faults out lives in a folder of its own for each engine, here chaos/proxy, elsewhere
// chaos/remote, chaos/toxiproxy and chaos/mockforge, of which chaos/engine is the table.
//
// A new kind of fault is one file with its row (see latency.go) and one line in
// Kinds. What engines do with it is a row of theirs.
package chaos
