// Package auth says who a request comes from, what they may do, and how often.
//
//	Role, Identity      three roles, and who has one
//	Tokens              secrets that the server made: shown once, kept as hashes
//	OIDC                bearer tokens of an identity provider
//	Gate                all of it together: from a request's headers to an Identity
//	Limiter             requests for each identity or address
//	Exposure            whether the server may listen where it is told to
//	CheckPage           what protects a server without cookies from pages in browsers
//
// There are no cookies and no passwords. Whoever brings no token is nobody, but for
// programs on the same machine where the server listens on a loopback address only and
// is not told otherwise: they are admin.
//
// What lives here: decisions, as plain Go over strings. What may not: HTTP servers and
// their routes, which ask, and the audit log, which notes the answers.
package auth
