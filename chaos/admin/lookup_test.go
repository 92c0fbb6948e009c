package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"starquake/chaos/admin"
	"starquake/chaos/proxy"
	"starquake/internal/dnstest"
	"starquake/internal/porttest"
	"starquake/internal/waittest"
)

// slowNames has no name looked up until they answer; all are then 127.0.0.1.
func slowNames(t *testing.T) *dnstest.Held {
	return dnstest.Hold(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m)
	})
}

// under is a request that is under way.
type under struct {
	*httptest.ResponseRecorder
	cancel context.CancelFunc
	ended  chan struct{}
}

// begin makes a request and returns once a name is being looked up for it.
func (s *side) begin(t *testing.T, n *dnstest.Held, method, path, body string) *under {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	u := &under{httptest.NewRecorder(), cancel, make(chan struct{})}
	r := httptest.NewRequest(method, s.URL+path, strings.NewReader(body)).WithContext(ctx)
	go func() {
		defer close(u.ended)
		s.Config.Handler.ServeHTTP(u, r)
	}()
	select {
	case <-n.Asked:
	case <-u.ended:
		if u.Code < 300 {
			t.Fatalf("%s %s: %d %s, without a look-up", method, path, u.Code, u.Body)
		}
		t.Skip("this machine asks no name servers: ", u.Body)
	}
	return u
}

const theirs = `{"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}`

// While an address takes long to be looked up, leases of other targets are renewed, and
// faults are put on and taken off. Who asked for the address may give up.
func TestLookUpHoldsNobody(t *testing.T) {
	for what, ask := range map[string][3]string{
		"open":     {"PUT", "/v1/targets/slow", `{"listen": "slow.test:0", "upstream": "127.0.0.1:1"}`},
		"create":   {"POST", "/proxies", `{"name": "slow", "listen": "slow.test:0", "upstream": "127.0.0.1:1"}`},
		"disabled": {"POST", "/proxies", `{"name": "slow", "listen": "slow.test:0", "upstream": "127.0.0.1:1", "enabled": false}`},
		"populate": {"POST", "/populate", `[` + theirs + `, {"name": "slow", "listen": "slow.test:0", "upstream": "127.0.0.1:1"}]`},
		"replace":  {"POST", "/populate", `[{"name": "a", "listen": "slow.test:0", "upstream": "127.0.0.1:1"}]`},
		"update":   {"POST", "/proxies/a", `{"listen": "slow.test:0"}`},
		"patch":    {"PATCH", "/proxies/a", `{"listen": "slow.test:0"}`},
	} {
		t.Run(what, func(t *testing.T) {
			n := slowNames(t)
			s := start(t, admin.Options{})
			defer n.Answer()
			s.do(t, "POST", "/proxies", theirs)
			var put admin.Put
			if err := json.Unmarshal([]byte(`{"kind": "http_error", "params": {"codes": [503]}}`), &put.Fault); err != nil {
				t.Fatal(err)
			}
			put.TTL = time.Hour
			if _, _, err := s.plane.Apply("orders", "f", put); err != nil {
				t.Fatal(err)
			}
			u := s.begin(t, n, ask[0], ask[1], ask[2])
			waittest.Within(t, time.Minute, "the plane waits for a look-up", func() {
				if _, err := s.plane.Renew("orders", "f", time.Hour); err != nil {
					t.Error(err)
				}
				if _, _, err := s.plane.Apply("orders", "g", put); err != nil {
					t.Error(err)
				}
				if _, err := s.plane.TakeOff("orders", "f"); err != nil {
					t.Error(err)
				}
				if list := s.plane.Targets(); len(list) != 2 {
					t.Errorf("targets %+v", list)
				}
			})
			u.cancel()
			waittest.Within(t, time.Minute, "who gives up waits for the look-up", func() { <-u.ended })
			if u.Code < 300 {
				t.Errorf("given up: %d %s", u.Code, u.Body)
			}
			if list := s.plane.Targets(); len(list) != 2 || !list[0].Enabled || !strings.HasPrefix(list[0].Listen, "127.0.0.1:") {
				t.Errorf("targets %+v", list)
			}
		})
	}
}

// What is done while an address is looked up counts: there is one target of a name.
func TestChangedDuringLookUp(t *testing.T) {
	port := porttest.Free(t)
	_, number, err := net.SplitHostPort(port)
	if err != nil {
		t.Fatal(err)
	}
	same := fmt.Sprintf(`{"name": "a", "listen": "127.0.0.1:%s", "upstream": "127.0.0.1:1"}`, number)
	for what, tt := range map[string]struct {
		before, ask, meanwhile [3]string
		status                 int
		says                   string
	}{
		"open":             {ask: [3]string{"PUT", "/v1/targets/a", `{"listen": "slow.test:0", "upstream": "127.0.0.1:1"}`}, meanwhile: [3]string{"PUT", "/v1/targets/a", `{"listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}`}, status: 409, says: `"code":"target_differs"`},
		"create":           {ask: [3]string{"POST", "/proxies", `{"name": "a", "listen": "slow.test:0", "upstream": "127.0.0.1:1"}`}, meanwhile: [3]string{"POST", "/proxies", theirs}, status: 409, says: `proxy already exists`},
		"populate":         {ask: [3]string{"POST", "/populate", `[{"name": "a", "listen": "slow.test:` + number + `", "upstream": "127.0.0.1:1"}]`}, meanwhile: [3]string{"POST", "/populate", `[` + strings.TrimSuffix(same, "}") + `, "toxics": [{"type": "noop", "name": "kept"}]}]`}, status: 201, says: `"name":"kept"`},
		"populate another": {ask: [3]string{"POST", "/populate", `[{"name": "a", "listen": "slow.test:` + number + `", "upstream": "127.0.0.1:2"}]`}, meanwhile: [3]string{"POST", "/populate", `[` + same + `]`}, status: 201, says: `"listen":"127.0.0.1:` + number + `","upstream":"127.0.0.1:2"`},
		"update":           {before: [3]string{"POST", "/proxies", theirs}, ask: [3]string{"POST", "/proxies/a", `{"listen": "slow.test:0"}`}, meanwhile: [3]string{"DELETE", "/proxies/a", ""}, status: 404, says: `proxy not found`},
		"update another":   {before: [3]string{"POST", "/proxies", theirs}, ask: [3]string{"POST", "/proxies/a", `{"listen": "slow.test:` + number + `"}`}, meanwhile: [3]string{"POST", "/proxies/a", `{"upstream": "127.0.0.1:3"}`}, status: 200, says: `"listen":"127.0.0.1:` + number + `","upstream":"127.0.0.1:3"`},
	} {
		t.Run(what, func(t *testing.T) {
			n := slowNames(t)
			s := start(t, admin.Options{})
			defer n.Answer()
			if tt.before[0] != "" {
				s.do(t, tt.before[0], tt.before[1], tt.before[2])
			}
			u := s.begin(t, n, tt.ask[0], tt.ask[1], tt.ask[2])
			waittest.Within(t, time.Minute, "the plane waits for a look-up", func() {
				s.Config.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tt.meanwhile[0], s.URL+tt.meanwhile[1], strings.NewReader(tt.meanwhile[2])))
			})
			n.Answer()
			waittest.Within(t, time.Minute, "it does not end", func() { <-u.ended })
			if u.Code != tt.status || !strings.Contains(u.Body.String(), tt.says) {
				t.Errorf("%d %s; want %d with %s", u.Code, u.Body, tt.status, tt.says)
			}
		})
	}
}

// Of those that open one target at once, by a name, one makes it and the others see it.
func TestOpenedAtOnce(t *testing.T) {
	n := slowNames(t)
	s := start(t, admin.Options{})
	defer n.Answer()
	const many = 8
	created := make(chan bool, many)
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			_, is, err := s.plane.Open(t.Context(), proxy.Config{Name: "a", Listen: "slow.test:0", Upstream: "127.0.0.1:1"})
			if err != nil {
				t.Error(err)
			}
			created <- is
		})
	}
	n.Answer()
	waittest.Within(t, time.Minute, "they do not end", all.Wait)
	close(created)
	made := 0
	for is := range created {
		if is {
			made++
		}
	}
	if list := s.plane.Targets(); made != 1 || len(list) != 2 || !strings.HasPrefix(list[0].Listen, "127.0.0.1:") {
		t.Errorf("made %d times: %+v", made, list)
	}
}

// A target that is closed meanwhile: nothing is opened in a plane that is closing.
func TestClosedDuringLookUp(t *testing.T) {
	n := slowNames(t)
	s := start(t, admin.Options{})
	defer n.Answer()
	u := s.begin(t, n, "PUT", "/v1/targets/a", `{"listen": "slow.test:0", "upstream": "127.0.0.1:1"}`)
	waittest.Within(t, time.Minute, "the end waits for a look-up", func() {
		if err := s.plane.Close(); err != nil {
			t.Error(err)
		}
	})
	n.Answer()
	waittest.Within(t, time.Minute, "it does not end", func() { <-u.ended })
	if u.Code != http.StatusServiceUnavailable || len(s.plane.Targets()) > 0 {
		t.Errorf("%d %s, %v", u.Code, u.Body, s.plane.Targets())
	}
}

// What is there, or cannot be, is said without a look-up; and one that is disabled comes up
// where its name was when that was given, whatever has become of the name servers.
func TestNotLookedUp(t *testing.T) {
	n := slowNames(t)
	s := start(t, admin.Options{})
	defer n.Answer()
	const disabled = `{"name": "a", "listen": "slow.test:0", "upstream": "127.0.0.1:1", "enabled": false}`
	first := s.begin(t, n, "POST", "/proxies", disabled)
	n.Answer()
	<-first.ended
	if first.Code != 201 || !strings.Contains(first.Body.String(), `"listen":"slow.test:0"`) {
		t.Fatal(first.Code, first.Body)
	}
	opened := s.begin(t, n, "PUT", "/v1/targets/b", `{"listen": "slow.test:0", "upstream": "127.0.0.1:1"}`)
	<-opened.ended
	gone := slowNames(t) // these never answer
	defer gone.Answer()
	for _, ask := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/proxies", disabled, 409, "proxy already exists"},
		{"POST", "/proxies/none", `{"listen": "slow.test:0"}`, 404, "proxy not found"},
		{"POST", "/proxies/a", `nonsense`, 400, "bad request body"},
		{"POST", "/proxies/a", `{"upstream": "127.0.0.1:2"}`, 200, `"listen":"slow.test:0","upstream":"127.0.0.1:2","enabled":false`},
		{"POST", "/proxies/a", `{"enabled": true}`, 200, `"listen":"127.0.0.1:`},
		{"POST", "/proxies/a", `{"enabled": false}`, 200, `"listen":"127.0.0.1:`},
		{"POST", "/reset", "", 204, ""},
		{"GET", "/proxies/a", "", 200, `"enabled":true`},
		{"PUT", "/v1/targets/b", `{"listen": "slow.test:0", "upstream": "127.0.0.1:1"}`, 200, `"listen":"127.0.0.1:`},
		{"PUT", "/v1/targets/b", `{"listen": "slower.test:0", "upstream": "127.0.0.1:1"}`, 409, "target_differs"},
		{"POST", "/populate", `[{"name": "a", "listen": "slow.test:0", "upstream": "127.0.0.1:1"}, {"name": "c"}]`, 400, "missing required field"},
	} {
		w := httptest.NewRecorder()
		waittest.Within(t, time.Minute, ask.method+" "+ask.path+" waits for a look-up", func() {
			s.Config.Handler.ServeHTTP(w, httptest.NewRequest(ask.method, s.URL+ask.path, strings.NewReader(ask.body)))
		})
		if w.Code != ask.status || !strings.Contains(w.Body.String(), ask.says) {
			t.Errorf("%s %s %s: %d %s; want %d with %s", ask.method, ask.path, ask.body, w.Code, w.Body, ask.status, ask.says)
		}
		if len(gone.Asked) > 0 {
			t.Fatalf("%s %s %s: a name server is asked", ask.method, ask.path, ask.body)
		}
	}
}

// A look-up that nobody answers is given up.
func TestLookUpGivenUp(t *testing.T) {
	system := net.DefaultResolver
	defer func() { net.DefaultResolver = system }()
	deaf := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }}
	_, _ = deaf.LookupHost(t.Context(), "slow.test") // package net reads the machine's settings, and keeps a channel with them: not one of the bubble
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewHeld()
		defer n.Answer()
		net.DefaultResolver = n.Resolver("127.0.0.1:1")
		plane := admin.NewPlane(nil)
		defer plane.Close()
		_, _, err := plane.Open(t.Context(), proxy.Config{Name: "slow", Listen: "slow.test:0", Upstream: "127.0.0.1:1"})
		if err == nil || !strings.Contains(err.Error(), "cannot listen on slow.test:0: listen tcp: lookup slow.test") {
			t.Errorf("error %v", err)
		}
		select {
		case <-n.Asked:
		default:
			t.Skip("this machine asks no name servers: ", err)
		}
	})
}
