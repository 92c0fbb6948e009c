package app

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/link/linktest"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestOverdue: a fault that an engine was asked for, which answers but has not done it by the time
// that it is waited for, is not said to be off.
func TestOverdue(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"name": "shop", "enabled": true, "toxics": []}`)
	}))
	defer s.Close()
	f, err := chaos.New("latency", map[string]any{"delay": "1ms"})
	if err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(builtins.FaultArgs{
		Fault: f, Text: f.String(), Target: "shop", Engine: &engine.Ref{Kind: engine.Toxiproxy, URL: s.URL, Target: "shop"},
	})
	if err != nil {
		t.Fatal(err)
	}
	base := effects.New(effects.Policy{Network: []string{"127.0.0.1"}}, effects.Options{})
	defer base.Close()
	targets := newTargets(slog.New(slog.DiscardHandler), base)
	through := &linktest.Late{RoundTripper: targets.engines.HTTP.Transport}
	through.Next(http.MethodPost, 1000)
	targets.engines.HTTP.Transport = through
	_, err = targets.fault(t.Context(), &runtime.Call{Request: runtime.Request{Kind: builtins.KindFault, Args: args}})
	var p *journal.EffectError
	if !errors.As(err, &p) || p.Code != journal.CodeUnclean || !strings.Contains(p.Message, "may still go on") {
		t.Errorf("got %v", err)
	}
}
