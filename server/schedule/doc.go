// Package schedule starts runs at their times: once, after a delay, every so often, or as
// a line of a crontab says in a time zone.
//
//	definition.go   what people write, and what is wrong with it
//	timing.go       when a schedule is due, by which rules
//	scheduler.go    Scheduler: all schedules of a data folder
//	runner.go       one schedule: waiting, starting, noting
//
// What it keeps to:
//
//   - A time is met once. What is about to be started is noted first, and a start has a key
//     that starts no second run, so a crash between the two neither loses a run nor doubles it.
//   - A time that passed while nobody looked was missed: more than a minute late. Missed
//     "skip" goes on with the next; "run_once" runs once for all that were missed, at once.
//   - Local times, in the schedule's time zone. Where clocks are put forward, a time that
//     does not exist is met when they have been. Where they are put back, a time that comes
//     twice is met the first time. Only where the crontab line leaves the hour open (*, */2)
//     it goes by the hours that there are: both of the double hour, none of the absent one.
//   - A schedule starts its own runs one after another ("forbid": one that is due while the
//     last still goes on is skipped and said so; "replace": that one is stopped first;
//     "allow": side by side).
//
// What may not live here: how a run is started, and HTTP.
package schedule
