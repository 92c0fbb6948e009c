// Package toxiproxy puts faults on the proxies of a Toxiproxy server, by its own API and
// as toxics that any of its clients can see. The names of our toxics begin with
// "starquake-", the run and the place of the fault in it, so that whoever reads a journal
// can find and delete them without the script.
//
// What Toxiproxy cannot do as it was asked is refused (Fits) before anything is injected,
// never done otherwise than it says. Above all it cannot change a toxic while bytes are
// held back: it lets them go. So there are no ramps here.
//
// What may not live here: time and retries that other engines need too (package link),
// and what a run does when a fault is gone (package runtime).
package toxiproxy
