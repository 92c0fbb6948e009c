//go:build unix

package graphql

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// worked is how long this process has computed, however busy the machine is with others.
func worked(t *testing.T) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// TestReadIsBounded reads what would take for ever, or all memory, if it were read whole.
func TestReadIsBounded(t *testing.T) {
	var fragments strings.Builder
	fragments.WriteString("{ ...f0 }")
	for i := range 200 {
		fmt.Fprintf(&fragments, " fragment f%d on T { a%d ...f%d ...f%d }", i, i, i+1, i+1)
	}
	for name, document := range map[string]string{
		"deep":      strings.Repeat("{a", 1<<18),
		"lists":     "{a(b:" + strings.Repeat("[", 1<<19),
		"fragments": fragments.String(),
		"cycle":     "{ ...f } fragment f on T { a { ...f } ...f }",
		"long":      "{" + strings.Repeat("a ", 1<<18) + "}",
		"comments":  strings.Repeat("#\n", 1<<18) + "{a}",
		"string":    `{a(b:"` + strings.Repeat("x", 1<<20) + `")}`,
		"block":     `{a(b:"""` + strings.Repeat("x\n", 1<<19) + `""")}`,
		"types":     "query($v:" + strings.Repeat("[", 1<<19) + "Int",
	} {
		start := worked(t)
		r, err := Read(InDocument, "", []byte(document))
		if err == nil {
			r.Operations[0].Asks([]string{"nothing.at.all"})
		}
		if took := worked(t) - start; took > 5*time.Second {
			t.Errorf("%s took %v of work", name, took)
		}
	}
	batch := "[" + strings.Repeat(`{"query":"{a}"},`, maxBatch) + `{"query":"{a}"}]`
	if _, err := Read(InJSON, "", []byte(batch)); err == nil {
		t.Errorf("a batch of %d was read", maxBatch+1)
	}
}
