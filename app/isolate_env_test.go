package app

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"starquake/builtins"
)

// TestEnvCrossesThePipe: whatever a script knows of its surroundings, it also knows in
// a process of its own. A new field of Env must be carried, or be named here.
func TestEnvCrossesThePipe(t *testing.T) {
	stays := map[string]bool{
		"Names": true, "Init": true, "Resolve": true, // made of the script's text
		"CheckSecret": true, "OnCall": true, // asked over the pipe
		"Simulate": true,                                                                   // only in tests
		"Waited":   true, "Meta": true, "Declared": true, "Secrets": true, "Notices": true, // what the script says
	}
	env := &builtins.Env{
		Params:     map[string]builtins.GivenParam{"a": {Text: "1"}, "b": {JSON: []byte(`[1]`)}},
		Targets:    []*builtins.Target{{Name: "x", Listen: "l", Upstream: "u", Protocol: "http", Labels: map[string]string{"k": "v"}, Open: true}},
		Services:   map[string]string{"s": "http://s"},
		Prometheus: "http://p:9090", Channels: []string{"team"},
		LeftOut: []string{"other"}, Environment: "staging", AnyTarget: true, AnyParam: true, ParamAs: "NAME",
		FailSteps: []string{"f"}, BreachGuards: []string{"g"}, HasChaos: true, SlowWaits: true,
		Scenarios: map[string]string{"rush_hour": "@library/traffic.star"},
	}
	raw, err := json.Marshal(wireEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	var wire isolatedEnv
	if err := json.Unmarshal(raw, &wire); err != nil {
		t.Fatal(err)
	}
	got := &builtins.Env{}
	wire.fill(got)
	want, have := reflect.ValueOf(env).Elem(), reflect.ValueOf(got).Elem()
	for i := range want.NumField() {
		field := want.Type().Field(i)
		switch {
		case !field.IsExported() || stays[field.Name]:
		case want.Field(i).IsZero():
			t.Errorf("Env.%s is not tried here: carry it in isolatedEnv, or say why it stays", field.Name)
		default:
			if diff := cmp.Diff(want.Field(i).Interface(), have.Field(i).Interface(), cmpopts.IgnoreUnexported(builtins.Target{})); diff != "" {
				t.Errorf("Env.%s (-want +got):\n%s", field.Name, diff)
			}
		}
	}
}
