package effects

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starquake/internal/dnstest"
	"starquake/runtime"
)

// twoHouses serves one port on a permitted and on a forbidden loopback address, and
// counts who comes to the forbidden one.
func twoHouses(t *testing.T) (port string, trespassed *atomic.Int64) {
	t.Helper()
	allowed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	t.Cleanup(allowed.Close)
	_, port, _ = net.SplitHostPort(allowed.Listener.Addr().String())
	other, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Skipf("this machine has no second loopback address with that port free: %v", err)
	}
	trespassed = new(atomic.Int64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			trespassed.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = other.Close(); <-ended })
	return port, trespassed
}

// TestNameThatTurns: the address that is connected to is the one that the policy was
// asked about, whatever a name server says the next time, for whoever asks.
func TestNameThatTurns(t *testing.T) {
	port, trespassed := twoHouses(t)
	policy := Policy{Network: []string{"127.0.0.1"}, Load: []string{"127.0.0.1"}}
	addr := "turns.test:" + port
	url := "http://" + addr + "/"
	for name, ask := range map[string]func(*Effects) string{
		KindHTTP: func(e *Effects) string {
			return codeIn(mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url, Timeout: soon}).Error)
		},
		"probe.http": func(e *Effects) string {
			return seen(mustPerform[Reading](t, e, KindProbe, HTTPProbe{Kind: "http", URL: url, Timeout: soon}))
		},
		KindTCP: func(e *Effects) string {
			return codeIn(mustPerform[TCPAnswer](t, e, KindTCP, TCPArgs{Addr: addr, Timeout: soon}).Error)
		},
		"probe.tcp": func(e *Effects) string {
			return seen(mustPerform[Reading](t, e, KindProbe, TCPProbe{Kind: "tcp", Addr: addr, Timeout: soon}))
		},
		KindLoad: func(e *Effects) string {
			args := loadArgs(url, 20, 200*time.Millisecond)
			_, err := e.Perform(t.Context(), &runtime.Call{Request: request(t, KindLoad, args), Report: func(any) {}})
			return code(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Now it points where it may, then where it may not.
			dnstest.Resolve(t, map[string][]string{"turns.test": {"127.0.0.1", "127.0.0.2"}})
			e := newEffects(t, policy, Options{IdleTimeout: -1})
			if got := ask(e); got != "" {
				t.Errorf("the permitted address: %s", got)
			}
			if got := ask(e); got != CodeDenied {
				t.Errorf("the forbidden address: %q, expected %s", got, CodeDenied)
			}
			if trespassed.Load() != 0 {
				t.Errorf("the forbidden address was connected to")
			}
		})
	}
}

// seen is the code of what a probe of somebody else's address says.
func seen(r Reading) string {
	switch {
	case r.OK:
		return ""
	case strings.Contains(r.Error, "not permitted"), strings.Contains(r.Error, "never permitted"):
		return CodeDenied
	}
	return r.Error
}

// TestNameOfMetadata: no name leads to an address where credentials lie, though the
// policy is open and names the host itself.
func TestNameOfMetadata(t *testing.T) {
	for _, addr := range []string{"169.254.169.254", "100.100.100.200"} {
		dnstest.Resolve(t, map[string][]string{"innocent.test": {addr}})
		e := newEffects(t, Policy{Network: []string{"*", "innocent.test"}, Load: []string{"*"}}, Options{})
		if got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: "http://innocent.test/", Timeout: soon}); codeIn(got.Error) != CodeDenied {
			t.Errorf("%s: %+v", addr, got)
		}
		if got := mustPerform[TCPAnswer](t, e, KindTCP, TCPArgs{Addr: "innocent.test:80", Timeout: soon}); codeIn(got.Error) != CodeDenied {
			t.Errorf("%s: %+v", addr, got)
		}
		_, err := e.Perform(t.Context(), &runtime.Call{Request: request(t, KindLoad, loadArgs("http://innocent.test/", 1, time.Second)), Report: func(any) { t.Error("it was on") }})
		if code(err) != CodeDenied {
			t.Errorf("load on %s: %v", addr, err)
		}
	}
}

// TestOddNumbers: an address that only some resolvers take for one (in one number,
// octal, hexadecimal, with parts left out) is permitted by what it becomes, if it becomes
// anything: never by how it looks.
func TestOddNumbers(t *testing.T) {
	dnstest.Resolve(t, nil) // in place of name servers that may not be in reach
	port, trespassed := twoHouses(t)
	for _, host := range []string{"2130706434", "0x7f000002", "017700000002", "0177.0.0.2", "0x7f.2", "127.2", "127.0.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "127.0.0.2.", "127.0.0.2%2e"} {
		e := newEffects(t, Policy{Network: []string{"127.0.0.1", "10.0.0.0/8"}}, Options{})
		if got, err := perform[HTTPAnswer](t, t.Context(), e, KindHTTP, HTTPArgs{URL: "http://" + host + ":" + port + "/", Timeout: soon}); err == nil && got.Error == nil {
			t.Errorf("%s was answered: %+v", host, got)
		}
		if got, err := perform[TCPAnswer](t, t.Context(), e, KindTCP, TCPArgs{Addr: host + ":" + port, Timeout: soon}); err == nil && got.Error == nil {
			t.Errorf("%s was connected to: %+v", host, got)
		}
	}
	if trespassed.Load() != 0 {
		t.Errorf("the forbidden address was connected to %d times", trespassed.Load())
	}
}

// TestLoadPort: an entry with a port permits load on that port, and on no other.
func TestLoadPort(t *testing.T) {
	port, _ := twoHouses(t)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		url := "http://" + host + ":" + port + "/"
		for entry, want := range map[string]string{host + ":" + port: "", "127.0.0.0/8:" + port: "", host + ":1": CodeDenied} {
			e := newEffects(t, Policy{Network: []string{"*"}, Load: []string{entry}}, Options{})
			_, err := e.Perform(t.Context(), &runtime.Call{Request: request(t, KindLoad, loadArgs(url, 20, 200*time.Millisecond)), Report: func(any) {}})
			if code(err) != want {
				t.Errorf("load on %s, permitted on %s: %v; want the code %q", url, entry, err, want)
			}
		}
	}
}
