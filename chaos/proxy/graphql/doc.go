// Package graphql reads GraphQL requests (the GraphQL over HTTP specification, batches,
// and persisted documents) and changes answers to them, as a relay in the middle needs it.
//
//	request.go   how a request carries operations, and which they are
//	document.go  the fields that an operation asks for
//	null.go      fields of an answer put to null
//	answer.go    an error in place of an answer
//
// All of it is functions of bytes: no connection, no clock, no fault lives here. Documents
// are read by gqlparser; besides that only the standard library may be imported. Bytes come
// from the network and are hostile: callers bound how many they are, and what is made of
// them (tokens, depth, fields, operations of a batch) is bounded here. Nobody knows the
// schema: whether a field may be null, or what type it has, cannot be told.
package graphql
