package main

import (
	"testing"

	"starquake/app"
	"starquake/server"
	"starquake/server/auth"
)

// TestReachesItself: an operator's script is no admin unless somebody was warned.
func TestReachesItself(t *testing.T) {
	for _, c := range []struct {
		env, flags   []string
		open, tokens bool
		warns        bool
	}{
		{nil, []string{"127.0.0.1"}, true, true, true},
		{[]string{"127.0.0.0/8"}, nil, true, true, true},
		{nil, []string{"*"}, true, true, true},
		{nil, []string{"localhost:3000"}, true, true, true},
		{nil, []string{"127.0.0.1:3000"}, true, true, true},
		{nil, []string{"127.0.0.1:3001", "10.0.0.0/8"}, true, true, false},
		{nil, nil, true, true, false},
		{nil, []string{"127.0.0.1"}, false, true, false},
		{nil, []string{"127.0.0.1"}, true, false, false},
	} {
		config := &server.Config{
			URL: "http://127.0.0.1:3000", Env: &app.Environment{AllowNet: c.env}, Policy: server.Policy{AllowNet: c.flags}, Gate: &auth.Gate{Open: c.open},
		}
		if got := reachesItself(config, c.tokens); (got != "") != c.warns {
			t.Errorf("%+v: said %q", c, got)
		}
	}
}
