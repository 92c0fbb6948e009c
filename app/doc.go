// Package app assembles a run: from a file, parameters, an environment, targets and
// a world, for the command line and the server alike. It is where the parts meet
// that do not know each other: scripts and their builtins, effects and their
// performers, targets and the embedded proxy.
//
//	Load            a file, checked; what it declares
//	Script.Plan     the virtual world: nothing outside is touched
//	Script.Start    the real world: a Running that can be watched and controlled
//	Environment     what --env names: targets, services, secrets
//
// What may not live here: semantics of a run (runtime), of a fault (chaos) or of an
// effect (effects), and anything about terminals, flags or HTTP.
package app
