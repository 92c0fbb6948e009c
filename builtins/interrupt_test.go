package builtins

import (
	"strings"
	"testing"
	"testing/synctest"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// declarer gives the surroundings of a script that declares, and what declares it, to
// which before is said first.
func declarer(before func(*Env)) func() error {
	e := &Env{}
	e.Init = func(thread *starlark.Thread, name string) (starlark.StringDict, error) {
		before(e)
		return starlark.ExecFileOptions(&syntax.FileOptions{}, thread, name, "x = 1\ny = x + x\nz = y + y\n", nil)
	}
	return func() error {
		_, err := e.Declare("main.star")
		return err
	}
}

// TestInterruptDeclaring: the top level of a script is ended too.
func TestInterruptDeclaring(t *testing.T) {
	err := declarer(func(e *Env) { e.Interrupt("script_memory", "too much") })()
	if err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("ended with %v", err)
	}
}

// TestHold: a script that is held goes on when it is released, and not before.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var release func()
		declare := declarer(func(e *Env) { release = e.Hold() })
		done := make(chan error, 1)
		go func() { done <- declare() }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("ended while held: %v", err)
		default:
		}
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
