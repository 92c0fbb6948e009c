// Package engine is the table of data planes in other processes: what each can do, how a
// fault is put on it, followed and taken off, and what of that is known beforehand.
//
//	kind        package          faults end by themselves   counts what it met
//	toxiproxy   chaos/toxiproxy  no                         no
//	mockforge   chaos/mockforge  no                         no
//	starquake   chaos/remote     yes, they are leases       yes
//
// An engine is named by a Ref, which is plain data: it stands in the journal with each
// fault, and is all that Undo needs to take the fault off, by whoever and whenever.
//
// What may not live here: the embedded proxy (chaos/proxy), permission (the http.Client
// has it), secrets (a Ref that is used has its token revealed), and how long a fault
// lasts (package runtime).
package engine
