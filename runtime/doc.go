// Package runtime is the semantics of a run: branches, scopes, steps, effects,
// guards, control and verdicts, as Go over closures. It knows no Starlark, no HTTP
// and no fault; package builtins brings the closures, a World brings the outside.
//
// # How a run goes
//
// Run.Execute runs the root branch on the caller's goroutine. A branch is a
// coroutine: of all branches of a run exactly one executes at any moment, and it
// hands over only where it parks (a sleep, an effect, a join). A branch that parks
// goes on with the scheduler's loop on its own stack, and gives the turn to another
// goroutine only if another branch is to run; a run with one branch never switches.
//
// A turn is what happens until every branch is parked. Then the loop gives the
// World one Ready value (records to persist, effects to cancel and to start, the
// next due time) and gets back exactly one Event, which makes branches runnable.
// Time inside a run is the time of the last event, never the wall clock.
//
// # Order
//
// Runnable branches run first in, first out, each until it parks; new branches
// queue in the order of their creation; timers fire by (due, request number);
// completions come in the order the world received them. Nothing else decides, so
// the same closures with the same events give the same records, byte for byte.
//
// # Scopes
//
// A scope is a run, a step, a step's try, a branch, a loop turn or an attempt. It
// owns faults, watches, background branches and clean-ups, and its end, however it
// comes, is always the same: branches ended, faults off newest first, steady state
// read again, clean-ups last in first out. Cancelling a scope wakes what is parked
// below it with ErrCancelled, which only the end of that scope turns into a result.
//
// # What may not live here
//
// I/O, clocks, random sources, global state, and anything that knows what an
// effect means: arguments and answers are JSON that only performers and builtins
// understand. Virtual and Real, the two worlds, are in this package as the two
// readings of the World contract; they perform nothing themselves.
package runtime
