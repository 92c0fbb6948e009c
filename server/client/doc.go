// Package client speaks to a Starquake server over its REST API, for the command line and
// for programs in Go.
//
//	client.go   New, one request and its answer, problems as errors
//	api.go      the calls, a method each
//	schedules.go   those of schedules
//	events.go   a run's records: those there are, or as they come, over every cut of the connection
//
// What goes wrong on the server is a *server.Problem; anything else means that the server
// could not be reached, or did not answer as one.
//
// A call is tried again only where asking twice is asking once: reads, and starts, which
// carry an Idempotency-Key.
package client
