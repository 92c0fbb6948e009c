// Package remote puts faults on the targets of another starquake process: `starquake
// proxy`, an agent, or a server, by its API under /v1.
//
// A fault over there is a lease: it goes off by itself when nobody renews it. So nothing
// that happens here, or to the network, leaves one on: this package renews, keeps trying
// when it cannot, and says that the fault has expired once it must have.
//
// What may not live here: the server's side, and retries that other engines need too
// (package link).
package remote
