// Package crash holds the crash tests: they run the real program, kill it at every point
// at which it writes its journal, have another process recover the run, and compare what
// came of it with a run that nobody killed.
//
// The program is built with the tag crash, which puts the kill points in (package
// store, kill_on.go); all else is as it is shipped.
//
//	make crash      every kill point of every script, some 600 kills
//	go test         a sample of 50
package crash
