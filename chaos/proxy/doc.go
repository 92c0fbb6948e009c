// Package proxy is the embedded data plane: a TCP listener that relays to one
// upstream and carries out the faults that are put on it.
//
// What happens to a connection, in files that read in this order:
//
//	proxy.go     Listen, Config, accepting, Close
//	down.go      taking it down and up again, with all that is on it
//	faults.go    Apply and what it returns; the snapshot of faults that are on; listed.go shows them
//	effects.go   the table of what each kind of fault does here; kind_*.go its rows
//	admit.go, refuse.go   faults that act before there is a connection
//	disconnect.go, reserve_*.go   connections that are ended at once, and that are not kept
//	conn.go, link.go, side.go   one client connection with its upstream connection
//	sniff.go     what does the client speak
//	secure.go, greet.go, kind_tls.go, secure_load.go   TLS that is terminated here
//	verdict.go   what the faults make of one request
//	meet.go      what they make of one connection that is not parsed
//	fate.go      connections that hang or end
//	hold.go      injected delays
//	flow.go      what is done to bytes as they pass: speed, slices, limits, changes
//	request.go, enter.go, response.go, answer.go   HTTP/1.1, one goroutine each way
//	carry.go      small messages that nothing is done to go on inside the wait for them
//	head.go, chunk.go, body.go   its parsers, pure functions of bytes
//	message.go   whole messages that faults change
//	operations.go   requests whose GraphQL operations faults ask about
//	stream.go, line.go   everything else: chunks relayed, spliced or delayed
//	splice_*.go, rush.go  bulk that nothing is done to is relayed by the kernel
//	pipe.go      bulk that is delayed waits inside it
//	tunnel.go, http2*.go, websocket*.go  where engines of other protocols take over
//	wake.go      readers that wait are told of new faults
//	reader.go, writer.go   connections read and written; sock_*.go what takes sockets
//	window.go, hits.go   figures of the last minutes, and the last hits one by one
//
// The faults that are on are an immutable snapshot behind an atomic pointer. A
// connection reads it once for each request or chunk; only Apply, Remove, Lift and
// Restore write it, by replacing it (and a pulse, at its edges). All state of a fault
// (its counters, its clock, its buckets) belongs to the fault; what a connection
// remembers of it is its draw, and what is limited for each connection.
//
// All engines ask the same questions, in the order of FAULTS.md, "How faults compose":
//
//	admitted     when a connection is accepted: max_connections, a part of refuse
//	handshake    for each TLS handshake of a target that terminates TLS: tls_fault
//	decide       for each request or stream of a parsed protocol: the verdict says
//	             whether it hangs or ends, waits in queues, by how much it is delayed,
//	             what answers it, and what is done to its messages and their bytes
//	meet         for each connection that is not parsed: fates, and what is done to bytes
//	midway       when faults go on while an answer is on its way
//	closeDelays  when a connection ends
//
// A draw falls once for a connection that is not parsed and once for each request of
// one that is; a connection fault that hits a request acts on its connection. A request
// that a fault answers does not meet the kinds behind it.
//
// A request or chunk held in an injected delay goes on at once when the fault is
// removed or lifted and when the proxy closes: "gone" means that nobody waits for it
// any longer. Where several delays added up, the others stay. What hangs, waits in a
// queue or is held for more than five seconds is given up when its client leaves.
//
// What is idle holds no buffer. Nothing here knows scripts, runs or journals, and
// nothing outside the standard library, golang.org/x/sys, internal/alarm and
// chaos may be imported, but what other protocols need in folders below. A fault
// kind is a row in effects.go and a function; a protocol is a file that relays and a
// case in conn.go.
package proxy
