package server_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/runtime/journal"
	"starquake/store"
)

// TestStays: of a run that was interrupted and cannot be taken up, as one whose script this
// version does not read, what it had put on is taken off all the same.
func TestStays(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := chaos.New("exec", map[string]any{"name": "flag", "on": []any{"touch", mark}, "off": []any{"rm", "-f", mark}})
	if err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(builtins.FaultArgs{Fault: f, Text: f.String()})
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	st, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const id = "20260101-000000-00000001"
	run, err := st.Create(store.Info{ID: id, Name: "other", Script: "other.star", Started: time.Now(), Resume: json.RawMessage(`{"policy":{"allow_exec":["rm","touch"]}}`)})
	if err == nil {
		err = run.Append([]journal.Record{
			{Kind: journal.RunBegin, Place: journal.Place{Branch: "0"}, Body: &journal.RunBeginBody{
				Name: "other", Origin: time.Now(), World: "real", Format: journal.FormatVersion, Script: "other.star", Modules: map[string]string{"other.star": "def main(:\n"},
			}},
			{Kind: journal.EffectStart, Place: journal.Place{Branch: "0", Op: 1}, Body: &journal.EffectStartBody{Kind: builtins.KindFault, Args: args, Held: true, Chaos: true}},
		})
	}
	if err == nil {
		err = run.Close()
	}
	if err == nil {
		err = st.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	l := serveIn(t, data)
	l.await("the fault to be off", func() bool { _, err := os.Stat(mark); return os.IsNotExist(err) })
	l.await("word of it", func() bool { return strings.Contains(l.log.String(), "now is off") })
	if got := l.do("GET", "/api/v1/runs/"+id, nil).is(200).text("status"); got != "interrupted" {
		t.Errorf("the run is %s", got)
	}
}

// TestTakenUpLate: a run that could not be taken up when its server began, as its journal could not
// be read then, is taken up by that server when it can.
func TestTakenUpLate(t *testing.T) {
	l := serve(t)
	id := l.begin("def main():\n    step(\"s\", duration = \"1h\")\n")
	running := func() bool {
		run := l.do("GET", "/api/v1/runs/"+id, nil).is(200)
		return run.text("status") == "running" && run.text("current_step_path") == "s"
	}
	l.await("its step", running)
	l.kill()
	path := filepath.Join(l.data, "runs", id, "journal.jsonl")
	l = serveIn(t, l.data) // which completes the journal from the log
	l.await("its step, again", running)
	l.stop()
	journal, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append([]byte("{\n"), journal...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	l = serveIn(t, l.data)
	if log := l.log.String(); !strings.Contains(log, "an interrupted run does not go on") || !strings.Contains(log, "damaged at byte 0") {
		t.Errorf("of the run is said:\n%s", log)
	}
	parked := func() bool {
		return strings.Contains(string(l.do("GET", "/metrics", nil).is(200).body), `starquake_runs{state="parked"} 1`)
	}
	if !parked() {
		t.Error("it is not counted among those that do not go on")
	}
	if err := os.WriteFile(path, journal, 0o600); err != nil {
		t.Fatal(err)
	}
	l.await("the run", running)
	l.await("the count", func() bool { return !parked() })
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
}
