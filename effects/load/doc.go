// Package load sends requests at a given rate and measures how they are answered. It
// is an open-loop generator: when a request is due follows from the rate alone, never
// from how soon earlier ones were answered, and its latency is counted from the time at
// which it was due. A system that stalls for two seconds therefore shows two seconds to
// all who would have come in that time (there is no coordinated omission).
//
// What lives here: the specification of load as plain data, the schedule of intended
// times, the generator, its senders for HTTP and gRPC, and the figures. What may not:
// scripts, runs, permission (connections come from a dialer that is given), verdicts.
//
// # What is counted
//
// A request that finds all slots of MaxInFlight held by unanswered ones is not sent. It
// counts as a request, as an error and in Dropped: a user would have come and found a
// system that still owes that many answers. With the default MaxInFlight no slot is
// missing as long as rate × timeout fits into it.
//
// A request that this machine could not send within a second of its time is not sent
// either. It counts in Dropped alone, for it says nothing about the system. One sent
// more than ten milliseconds after its time is Late. Where more than one in a hundred
// requests, and at least ten, were more than fifty milliseconds late, not sent, or failed
// for want of something on this machine (ports, file descriptors), the generator was the
// limit: below that share no percentile up to the 99th is of the machine's making. The
// least of ten keeps one hiccup from voiding a short load.
//
// The requests that are due in the warm-up are sent and not counted, and so are those
// unanswered when load is ended before its time; the latter are Unfinished. How long those
// had taken by then, a second or more, is one of the latencies all the same: a system that
// has stopped to answer is slow, and not as fast as the last answers that it gave.
package load
