// Package admin is the data plane as a process of its own, as `starquake proxy` runs it:
// proxies by name, the faults on them, and the HTTP API through which others drive them.
//
// Faults are leases: each has a time to live that its owner renews, and goes off by
// itself when nobody does. A plane that is started anew starts clean.
//
//	GET    /v1/version                          version, api, and what it can do by protocol
//	GET    /v1/targets                          the proxies
//	PUT    /v1/targets/{t}                      opens one, or leaves an equal one alone
//	DELETE /v1/targets/{t}
//	GET    /v1/targets/{t}/window?last=10s      its traffic
//	POST   /v1/targets/{t}/disconnect           ends connections that are open
//	GET    /v1/targets/{t}/faults               the faults on it, with their counts
//	PUT    /v1/targets/{t}/faults/{id}          puts one on, or renews it
//	POST   /v1/targets/{t}/faults/{id}/renew
//	GET    /v1/targets/{t}/faults/{id}
//	DELETE /v1/targets/{t}/faults/{id}          takes it off, and gives its counts
//	POST   /v1/pause, /v1/resume                hold the clocks of faults; with lift take them off
//	GET    /v1/hits?target=T&since=N            what faults do, as it happens (server-sent events)
//	GET    /metrics                             for Prometheus
//
// Beside /v1 it speaks the API of Toxiproxy (/proxies, /populate, /reset, /version), as
// the clients of that know it: toxic.go, toxiproxy*.go. A toxic is a fault like any other,
// in other words; what either API puts on the other one shows and takes off.
//
// Errors are problem+json (RFC 9457) with a stable code.
//
// What lives here: leases, the API and who may use it. What may not: what faults do to
// traffic (package proxy), and who asks for them (package remote is the other side).
package admin
