package load

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is far longer than anything here takes that does not hang.
const soon = 60 * time.Second

// testOptions dial directly.
func testOptions() Options {
	return Options{
		Dial: func(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, 5*time.Second) },
		Code: func(err error) string {
			var op *net.OpError
			if errors.As(err, &op) {
				return op.Op
			}
			return "failed"
		},
	}
}

// run runs load of a specification against its own sender.
func run(t testing.TB, spec Spec) *Figures {
	t.Helper()
	return runWith(t, spec, testOptions())
}

func runWith(t testing.TB, spec Spec, opt Options) *Figures {
	t.Helper()
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	sender, err := NewHTTP(spec.HTTP, spec.Slots(), opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	return New(spec, sender).Run(ctx)
}

// constant is a constant rate.
func constant(rate float64) []Piece { return []Piece{{From: rate}} }
