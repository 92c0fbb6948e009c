package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"starquake/report/text"
)

// said is a log handler for people who look on at a run: what is logged looks like all else
// that the program says beside it.
//
//	starquake: warning: a fault is gone before its time (fault latency 200ms on web): no such proxy
type said struct {
	w     io.Writer
	level slog.Leveler
	attrs []slog.Attr
}

func saidTo(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(&said{w: w, level: level})
}

// saidAll is a handler for what is said to w at any level.
func saidAll(w io.Writer) slog.Handler { return &said{w: w, level: slog.LevelDebug} }

// Enabled implements slog.Handler.
func (s *said) Enabled(_ context.Context, level slog.Level) bool { return level >= s.level.Level() }

// Handle implements slog.Handler. A line is one Write.
func (s *said) Handle(_ context.Context, rec slog.Record) error {
	var about []string
	why := ""
	add := func(a slog.Attr) bool {
		value := text.Clean(strings.Join(strings.Fields(a.Value.Resolve().String()), " "))
		if a.Key == "error" || a.Key == "err" {
			why = ": " + value
		} else {
			about = append(about, text.Clean(a.Key)+" "+value)
		}
		return true
	}
	for _, a := range s.attrs {
		add(a)
	}
	rec.Attrs(add)
	line := "starquake: "
	if rec.Level != slog.LevelInfo {
		line += strings.Replace(strings.ToLower(rec.Level.String()), "warn", "warning", 1) + ": "
	}
	line += text.Clean(rec.Message)
	if len(about) > 0 {
		line += " (" + strings.Join(about, ", ") + ")"
	}
	_, err := fmt.Fprintln(s.w, line+why)
	return err
}

// WithAttrs implements slog.Handler.
func (s *said) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *s
	next.attrs = append(s.attrs[:len(s.attrs):len(s.attrs)], attrs...)
	return &next
}

// WithGroup implements slog.Handler: a person needs no groups.
func (s *said) WithGroup(string) slog.Handler { return s }
