package app_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// TestShortSecret: who gives a secret that is part of other words is told what comes of it,
// without its text.
func TestShortSecret(t *testing.T) {
	for text, short := range map[string]bool{"q": true, "hunter2": false} {
		t.Setenv("STARQUAKE_SECRET_PIN", text)
		s, diags := app.LoadText("t.star", []byte("pin = secret(\"pin\")\ndef main():\n    log(\"there\", pin = pin)\n"))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var said bytes.Buffer
		r, err := s.Start(app.RunOptions{Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		finish(t, r, journal.VerdictPassed)
		if told := strings.Contains(said.String(), "fewer than 4 bytes") && strings.Contains(said.String(), "secret=pin"); told != short {
			t.Errorf("of %q it says %q", text, &said)
		}
	}
}
