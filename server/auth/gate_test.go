package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"starquake/internal/loopback"
)

func TestRoles(t *testing.T) {
	for _, test := range []struct {
		have, need Role
		may        bool
	}{
		{Admin, Admin, true}, {Admin, Operator, true}, {Admin, Viewer, true},
		{Operator, Admin, false}, {Operator, Operator, true}, {Operator, Viewer, true},
		{Viewer, Admin, false}, {Viewer, Operator, false}, {Viewer, Viewer, true},
		{"", Viewer, false}, {"root", Viewer, false}, {"", "", false}, {Admin, "", false}, {Admin, "root", false},
	} {
		if got := test.have.May(test.need); got != test.may {
			t.Errorf("%q may what needs %q: %v", test.have, test.need, got)
		}
	}
}

func TestGate(t *testing.T) {
	tokens, _ := newTokens(t)
	text, _, err := tokens.New("ci", Operator, time.Time{}, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	ci := Identity{"ci", KindToken, Operator}
	for _, test := range []struct {
		open   bool
		header string
		want   Identity
		err    error
	}{
		{false, "", Identity{}, ErrAnonymous},
		{true, "", Identity{"local", KindLocal, Admin}, nil},
		{false, "Bearer " + text, ci, nil},
		{false, "bearer  " + text, ci, nil},
		{true, "Bearer " + text, ci, nil},
		{true, "Bearer " + text + "x", Identity{}, ErrDenied}, // a wrong token is not nobody
		{true, "Bearer", Identity{}, ErrDenied},
		{true, "Basic YTpi", Identity{}, ErrDenied},
		{false, text, Identity{}, ErrDenied},
		{false, "Bearer a.b.c", Identity{}, ErrDenied},
	} {
		got, err := NewGate(tokens, nil, test.open).Identify(t.Context(), test.header, "127.0.0.1", noon)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("open %v, %q: %+v, %v; want %+v, %v", test.open, test.header, got, err, test.want, test.err)
		}
	}
}

// TestFailedSignIns: an address that tries tokens is stopped, for a while, and no other; one
// that is accepted passes from there all the same.
func TestFailedSignIns(t *testing.T) {
	tokens, _ := newTokens(t)
	g := NewGate(tokens, nil, false)
	for i := range DefaultFailures {
		// Addresses of one IPv6 subscriber count as one.
		if _, err := g.Identify(t.Context(), "Bearer sqt_guess", fmt.Sprintf("2001:db8::%x", i), noon); !errors.Is(err, ErrDenied) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	var wait *Throttled
	if _, err := g.Identify(t.Context(), "Bearer sqt_guess", "2001:db8::ffff", noon); !errors.As(err, &wait) || RetryAfter(wait.After) != 6 {
		t.Fatalf("after %d guesses: %v", DefaultFailures, err)
	}
	text, _, err := tokens.New("ci", Viewer, time.Time{}, "", noon) // which the gate has not seen yet
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * DefaultFailures {
		if _, err := g.Identify(t.Context(), "Bearer "+text, "2001:db8::ffff", noon); err != nil {
			t.Fatalf("a token that is accepted: %v", err)
		}
	}
	if _, err := g.Identify(t.Context(), "Bearer sqt_guess", "2001:db8:0:1::1", noon); !errors.Is(err, ErrDenied) {
		t.Errorf("from another address: %v", err)
	}
	if _, err := g.Identify(t.Context(), "", "2001:db8::1", noon); !errors.Is(err, ErrAnonymous) {
		t.Errorf("without a token: %v", err)
	}
	if _, err := g.Identify(t.Context(), "Bearer sqt_guess", "2001:db8::1", noon.Add(wait.After)); !errors.Is(err, ErrDenied) {
		t.Errorf("after the time that was named: %v", err)
	}
}

func TestLimiter(t *testing.T) {
	l := NewLimiter(2, 3)
	for i := range 3 {
		if _, ok := l.Take("a", noon); !ok {
			t.Fatalf("request %d is refused", i)
		}
	}
	wait, ok := l.Take("a", noon)
	if ok || wait != time.Second/2 {
		t.Errorf("the fourth: %v, %v", wait, ok)
	}
	if again, ok := l.Take("a", noon); ok || again != wait {
		t.Errorf("a refusal costs: %v, %v", again, ok)
	}
	if _, ok := l.Take("b", noon); !ok {
		t.Error("somebody else is refused")
	}
	if _, ok := l.Take("a", noon.Add(wait)); !ok {
		t.Error("refused after the time that was named")
	}
	for i := range maxKeys {
		l.Take(fmt.Sprint("k", i), noon)
	}
	if n := len(l.entries); n != maxKeys || l.recent.Len() != maxKeys {
		t.Errorf("%d keys are remembered, at most %d may be", n, maxKeys)
	}
	if _, ok := NewLimiter(0, 1).Take("a", noon); !ok {
		t.Error("no limit limits")
	}
}

func TestExposure(t *testing.T) {
	const usable, noToken, noTLS = "", "make a token", "give --tls-cert"
	for _, test := range []struct {
		exposure Exposure
		want     string
		open     bool
	}{
		{Exposure{Listen: "127.0.0.1:3000"}, usable, true},
		{Exposure{Listen: "127.8.9.1:0"}, usable, true},
		{Exposure{Listen: "localhost:3000"}, usable, true},
		{Exposure{Listen: "[::1]:3000"}, usable, true},
		{Exposure{Listen: "127.0.0.1:3000", Tokens: true, RequireToken: true}, usable, false},
		{Exposure{Listen: "127.0.0.1:3000", RequireToken: true}, "there is no token", false},
		{Exposure{Listen: ":3000"}, noToken, false},
		{Exposure{Listen: "0.0.0.0:3000"}, noToken, false},
		{Exposure{Listen: "[::]:3000", TLS: true}, noToken, false},
		{Exposure{Listen: "localhost.example.com:3000", Insecure: true}, noToken, false},
		{Exposure{Listen: "10.0.0.1:3000", Tokens: true}, noTLS, false},
		{Exposure{Listen: "10.0.0.1:3000", OIDC: true}, noTLS, false},
		{Exposure{Listen: "10.0.0.1:3000", Tokens: true, TLS: true}, usable, false},
		{Exposure{Listen: "10.0.0.1:3000", OIDC: true, Insecure: true}, usable, false},
		{Exposure{Listen: "10.0.0.1:3000", OIDC: true, Insecure: true, TLS: true}, "expected one of them", false},
		{Exposure{Listen: "3000"}, "expected HOST:PORT", false},
		{Exposure{Listen: "127.0.0.1:"}, "expected HOST:PORT", true},
	} {
		err := test.exposure.Check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.exposure, err, test.want)
		}
		if open := test.exposure.Open(); open != test.open {
			t.Errorf("%+v: open %v", test.exposure, open)
		}
	}
}

func TestCheckPage(t *testing.T) {
	const port = "127.0.0.1:3000"
	for _, test := range []struct {
		page Page
		open bool
		ok   bool
	}{
		{Page{Host: port}, true, true},
		{Page{Host: "localhost:3000"}, true, true},
		{Page{Host: "[::1]:3000"}, true, true},
		{Page{Host: "[::1]"}, true, true},
		{Page{Host: "evil.example.com:3000"}, true, false}, // a name that resolves to 127.0.0.1
		{Page{Host: "127.0.0.1.evil.example.com"}, true, false},
		{Page{Host: ""}, true, false},
		{Page{Host: "chaos.example.com"}, false, true},
		{Page{Host: port, Forwarded: true}, true, false},
		{Page{Host: port, Forwarded: true}, false, true},
		{Page{Host: port, Origin: "http://127.0.0.1:3000"}, true, true},
		{Page{Host: port, Origin: "https://127.0.0.1:3000"}, true, true}, // something in front does TLS
		{Page{Host: port, Origin: "ftp://127.0.0.1:3000"}, true, false},
		{Page{Host: port, Origin: "http://127.0.0.1:3001"}, true, false},
		{Page{Host: port, Origin: "http://evil.example.com"}, true, false},
		{Page{Host: port, Origin: "null"}, true, false},
		{Page{Host: port, Origin: "://"}, true, false},
		{Page{Host: "chaos.example.com", Origin: "https://chaos.example.com"}, false, true},
		{Page{Host: "chaos.example.com", Origin: "https://evil.example.com"}, false, false},
		{Page{Host: port, Site: "cross-site"}, true, false},
		{Page{Host: port, Site: "same-site"}, true, false},
		{Page{Host: port, Site: "same-origin"}, true, true},
		{Page{Host: port, Site: "none"}, true, true},
	} {
		if err := CheckPage(test.page, test.open); (err == nil) != test.ok {
			t.Errorf("%+v, open %v: %v", test.page, test.open, err)
		}
	}
}

// FuzzGate: whatever a header holds, nobody gets in who has no token.
func FuzzGate(f *testing.F) {
	for _, s := range []string{"", "Bearer ", "Bearer sqt_", "Basic a", "bearer \x00", "Bearer sqt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Bearer a.b.c"} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, header, address, host string) {
		g := &Gate{Tokens: &Tokens{}, Failures: NewLimiter(1, 1)}
		if isToken(strings.TrimSpace(header[min(len(header), 7):])) {
			return // needs a store; TestTokens has it
		}
		id, err := g.Identify(t.Context(), header, address, noon)
		if err == nil || id != (Identity{}) {
			t.Errorf("%q is %+v", header, id)
		}
		if err := CheckPage(Page{Host: host, Origin: header}, true); err == nil && !loopback.Is(hostOnly(host)) {
			t.Errorf("host %q, origin %q is let in", host, header)
		}
	})
}
