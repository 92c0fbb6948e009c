// Package dsl is the front end of the Starquake language: it loads orchestrations
// and the modules they load, says what is wrong with them and where, formats them,
// and answers questions about their text.
//
//	Load, LoadText, LoadModules   a script and its modules, compiled and checked
//	Check                         the static checks alone
//	Diagnostic, Diagnostics       what is wrong, for people (Render) and programs (JSON)
//	FromEvalError                 a failure while a script ran, as a Diagnostic
//	Calls, Untaken                which builtins a script calls, and which branches it did not take
//	Format                        the one layout of a script
//	Library                       the modules behind load("@starquake/NAME.star")
//
// What lives here: dialect, loading, diagnostics, static checks, formatting. What
// may not: what a builtin does. The package gets the names of the language as
// values ([]Builtin) and imports nothing of this module but units. It executes no
// script, and it treats every text that it reads as hostile: sizes, nesting and
// the number of modules are bounded, and nothing outside of the script's own
// folder is opened.
package dsl
