// Package store keeps runs on disk so that a crash loses nothing of them.
//
// The data folder is plain: every file can be read, copied and mailed without the
// product.
//
//	version                     the format's number
//	wal/ID-SERIAL.log           the write-ahead log of one process, in segments
//	wal/removed-ID              the logs that tell of a run which was removed since
//	runs/ID/run.json            what was asked (Info)
//	runs/ID/script/…            the modules' texts as they ran
//	runs/ID/journal.jsonl       the run's journal, a record a line
//	runs/ID/end.json            how it ended (End); absent until then
//	orchestrations/NAME/…       definitions that were imported, a file a version (Shelf)
//	schedules/NAME/…            schedules, likewise; schedule-states has what is noted of them
//	tokens/NAME/…               tokens of the server, as hashes, likewise
//	audit/…                     who asked the server for what (package audit)
//	targets/NAME/…              targets of a server, likewise
//	queue/NAME/…                starts that a server has taken and that wait, likewise
//
// A record is durable once it is in the write-ahead log and the log is synced; one
// sync serves all runs of the process. The run's own journal is written at once but
// synced only before its part of the log is dropped. After a crash Repair completes
// it from the log of the dead process.
//
// Any number of processes share a data folder. A log belongs to the process that
// holds the lock on it; a run belongs to the one that holds the lock on its journal.
// Both locks go with the process, however it goes.
//
// What lives here: files, frames, locks, retention. What may not: anything that
// knows what a record means, beyond its beginning and its end.
package store
