// Package pki makes the certificates that proxies show to clients: those of a local
// certificate authority, minted for the name that a client asks for, and those with a
// flaw that a fault wants them to have.
//
//	authority.go  an authority and what it signs
//	mint.go       leaves in memory, with and without a flaw
//	files.go      the authority on disk, leaves for others, and what users bring
//
// All keys are on the curve P-256. The key of an authority is in one file that only its
// owner can read, and never in a message, a log or a journal. What is minted lives for a
// day and is kept in memory, up to a bound, since names are what strangers ask for.
package pki
