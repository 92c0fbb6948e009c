// Package server is Starquake for a team: a REST API over many runs at once.
//
// In files that read in this order:
//
//	server.go     Config, New, Serve: the listener (linger.go), and what every request passes
//	who.go        who asks, what a role may do, and what is noted of it
//	admit.go      which runs go on side by side
//	queue.go      starts that wait for their turn; queue_kept.go what of them is on disk
//	schedules.go  runs at their times
//	metrics.go    what /metrics tells
//	damaged.go    what is kept and cannot be read
//	problem.go    errors as problem+json with a stable code (RFC 9457); meant.go what a wrong name was
//	              meant to be
//	manager.go    the runs of this process: start, find, recover, park
//	recover.go    runs that were interrupted, and those whose script's process was killed; late.go those
//	              that could not be taken up at once
//	start.go      from a request to a run that has begun
//	limits.go     what a run of somebody below admin may take
//	script.go     texts to scripts, compiled once
//	definition.go orchestrations that are kept by name, with their versions
//	targets.go    the data plane that outlives runs; target_tls.go what its API says of TLS
//	run.go        a run as clients see it
//	api_*.go      the routes below /api/v1, a file for each resource
//	events.go     a run's records, as JSON and as a stream (SSE)
//	legacy.go     /api/chaos: the calls that users of orchestration files know
//	openapi.go    the document that the code makes of itself; reference.go the page that is made of it
//
// The duties it keeps:
//
//   - What a client sees of a run is runtime/view's fold over the run's journal; what is
//     said of a run that has ended is read from the store. Nothing is noted twice.
//   - A run never waits for a client: streams read what the run has written, at the pace of
//     each client, and one that does not read is cut off.
//   - A failure is never a 200.
//   - What a script may do is the operator's policy: no request widens it.
//   - The end of the server is no end of a run: it is parked, with its faults off, and goes
//     on when the server is started again.
//
// What may not live here: semantics of a run (runtime), how one is assembled (app), flags
// and files of the command line (cmd/starquake).
package server
