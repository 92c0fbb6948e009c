// Package chaos is the fault model: what a fault is, which kinds there are, how a
// fault is written, checked and shown, and how its random decisions fall.
//
// Here live plain values and pure functions of them:
//
//	Kind      one row of the table of fault kinds: parameters, ranges, protocols
//	Fault     a kind with its parameters, probability, match and pulse
//	Value     a number that is constant or a ramp over time
//	Match     which requests a fault concerns
//	Draws     the random decisions of one fault, as functions of a request's number
//	Stats     what a fault saw and hit
//	Scenario, Profile   predefined sets of faults
//
// Nothing here opens, reads, waits or logs, and nothing knows Starlark. What carries
// faults out lives in a folder of its own for each engine; chaos/proxy is the first.
//
// A new kind of fault is one file with its row (see latency.go) and one line in
// Kinds. What engines do with it is a row of theirs.
package chaos
