// Package waittest waits in tests for what comes, and not for ever for what does not.
package waittest

import (
	"testing"
	"time"
)

// Within fails the test if something takes longer than it may on a machine that is busy with
// other things: then it waits for what does not come. limit is a minute or more.
func Within(t testing.TB, limit time.Duration, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatal(what)
	}
}
