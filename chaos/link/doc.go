// Package link is what the clients of data planes in other processes have in common:
// calls of a JSON API with a bounded answer and errors that say what to do, the retrying
// of what must be done, and a Follower, which keeps a fault over there in step with the
// run's own clock.
//
// What may not live here: anything that only one engine has (its own package), permission
// (the http.Client that a Caller is given has it), and what a run makes of a fault that
// is gone (package runtime).
package link
