// Package builtins is the vocabulary of the Starquake language: it turns Starlark
// values and callables into Go values and closures, and Go values back.
//
// What lives here:
//
//	Builtin, Compile, Call       a table row, the names a script sees, one bound call
//	Duration, Time               quantities that a script computes with
//	Object                       the result of anything: an immutable bag of fields
//	Secret, Reveal, Redactor     text that a script can pass on but not read
//	Ramp, Shape                  a quantity that changes with time
//	ToJSON, FromJSON             the exact JSON form of values
//	Reference, Help              the reference, written from the same table
//
// and a file for each family of builtins. The table is the one place where a
// builtin's name, types, ranges and text stand: binder, checker and reference
// read it.
//
// What may not live here: decisions. When a step ends, what a fault does or how a
// request is sent is the business of runtime, chaos and effects. Nothing here reads
// a clock, a zone of the machine, a file or a random source of its own; what a
// builtin needs from its run comes through Hooks.
package builtins
