package main

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
)

// TestSaid: what is logged beside a run is a line for people.
func TestSaid(t *testing.T) {
	var out bytes.Buffer
	log := saidTo(&out, slog.LevelInfo).With("run", "r1")
	log.Warn("a fault is gone before its time", "fault", "latency 200ms on web", "error", errors.New("no such\nproxy\x1b[31m"))
	log.Info("here")
	log.Debug("not asked for")
	const want = "starquake: warning: a fault is gone before its time (run r1, fault latency 200ms on web): no such proxy·[31m\nstarquake: here (run r1)\n"
	if out.String() != want {
		t.Errorf("said %q, expected %q", &out, want)
	}
}
