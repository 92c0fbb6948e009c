// Package mockforge puts faults on a MockForge server, by its own API under /api/chaos.
//
// MockForge has one configuration, for all that it serves, and does not know whose it
// is. So this process keeps the set of its faults on each server, writes the
// configuration that they amount to together over the one that was there before (the
// prior one, which whoever puts a fault on has read and recorded), and goes back to that
// when the last of them ends. Two faults that one configuration cannot say together are
// refused when the second is put on; two runs of different processes must not use one
// server at a time, and the one that is overwritten finds out and says so.
//
// What may not live here: the keys of a configuration (package chaos has them), time and
// retries that other engines need too (package link).
package mockforge
