// Package proxy is the embedded data plane: a TCP listener that relays to one
// upstream and carries out the faults that are put on it.
//
// What happens to a connection, in files that read in this order:
//
//	proxy.go     Listen, Config, accepting, Close
//	faults.go    Apply and what it returns; the snapshot of faults that are on
//	effects.go   the table of what each kind of fault does here
//	hold.go      injected delays; clock_*.go the clock they wait on
//	conn.go      one client connection with its upstream connection
//	sniff.go     protocol "auto": what does the client speak
//	request.go, response.go, answer.go   HTTP/1.1, one goroutine each way
//	head.go, chunk.go   its parsers, pure functions of bytes
//	stream.go, line.go  everything else: chunks relayed, spliced or delayed
//	window.go    figures of the last minutes
//
// The faults that are on are an immutable snapshot behind an atomic pointer. A
// connection reads it once for each request or chunk; only Apply, Remove, Lift and
// Restore write it, by replacing it. All state of a fault (its counters, its clock)
// belongs to the fault, and what a connection remembers of it is only its one draw.
//
// A request or chunk held in an injected delay goes on at once when the fault is
// removed or lifted and when the proxy closes: "gone" means that nobody waits for it
// any longer. Where several delays added up, the others stay.
//
// Nothing here knows scripts, runs or journals, and nothing outside the standard
// library, golang.org/x/sys, units and chaos may be imported. A fault kind is a row in
// effects.go and a file; a protocol is a file that relays and a case in conn.go.
package proxy
