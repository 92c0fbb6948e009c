package effects

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCheckURL(t *testing.T) {
	tests := []struct {
		network string // entries, separated by spaces
		url     string
		code    string
	}{
		{"", "http://api.test/", CodeDenied},
		{"", "http://127.0.0.1/", CodeDenied},
		{"*", "http://api.test/", ""},
		{"*", "https://[::1]:8443/x", ""},
		{"*", "ftp://api.test/", CodeInvalid},
		{"*", "/only/a/path", CodeInvalid},
		{"*", "http://api.test:0/", CodeInvalid},
		{"*", "http://api.test:99999/", CodeInvalid},
		{"*", "http://a b/", CodeInvalid},
		{"api.test", "http://api.test/", ""},
		{"api.test", "http://API.test.:8080/", ""},
		{"API.test", "http://api.test/", ""},
		{"api.test", "http://www.api.test/", CodeDenied},
		{"api.test", "http://api.test.evil.test/", CodeDenied},
		{"api.test", "http://api.test@evil.test/", CodeDenied},
		{"api.test:443", "https://api.test/", ""},
		{"api.test:443", "http://api.test/", CodeDenied},
		{"*.test", "http://a.b.test/", ""},
		{"*.test", "http://test/", CodeDenied},
		{"*.test", "http://evil-test/", CodeDenied},
		{"127.0.0.1:8080", "http://127.0.0.1:8080/", ""},
		{"127.0.0.1:8080", "http://127.0.0.1:8081/", CodeDenied},
		{"10.0.0.0/8", "http://10.1.2.3/", ""},
		{"10.0.0.0/8", "http://[::ffff:10.1.2.3]/", ""},
		{"10.0.0.0/8", "http://11.1.2.3/", CodeDenied},
		{"10.0.0.0/8", "http://may.resolve.there/", ""}, // asked again when it connects
		{"::1", "http://[::1]/", ""},
		{"[::1]:80", "http://[::1]/", ""},
		{"[::1]:80", "http://[::1]:81/", CodeDenied},
		{"fd00::/8", "http://[fd12::1]/", ""},
		{"api.test http://x", "http://api.test/", CodeInvalid},
		{"10.0.0.0/33", "http://10.0.0.1/", CodeInvalid},
		{"*", "http://169.254.169.254/latest/meta-data", CodeDenied},
		{"169.254.169.254", "http://169.254.169.254/", CodeDenied},
		{"*", "http://[fd00:ec2::254]/", CodeDenied},
		{"*", "http://[::ffff:169.254.169.254]/", CodeDenied},
		{"*", "http://[64:ff9b::a9fe:a9fe]/", CodeDenied},
		{"*", "http://[2002:a9fe:a9fe::1]/", CodeDenied},
		{"*", "http://[::169.254.169.254]/", CodeDenied},
		{"*", "http://[64:ff9b:1:a9fe:a9:fe00::]/", CodeDenied},
		{"*", "http://[fd00:ec2::254%25eth0]/", CodeDenied},
		{"*", "http://100.100.100.200/", CodeDenied},
	}
	for _, test := range tests {
		policy := Policy{Network: strings.Fields(test.network)}
		if err := policy.CheckURL(test.url); code(err) != test.code {
			t.Errorf("policy %q, %s: %v; want the code %q", test.network, test.url, err, test.code)
		}
	}
}

func TestMetadataAddressesAreAddresses(t *testing.T) {
	for _, text := range metadataAddresses() {
		addr, err := netip.ParseAddr(text)
		if err != nil || !isMetadata(addr) {
			t.Errorf("%s: %v, or not recognised", text, err)
		}
	}
	for _, text := range []string{"127.0.0.1", "::1", "169.254.169.253", "8.8.8.8", "64:ff9b::808:808", "2002:808:808::"} {
		if isMetadata(netip.MustParseAddr(text)) {
			t.Errorf("%s is taken for a metadata address", text)
		}
	}
}

func TestRequestsMeetThePolicy(t *testing.T) {
	var mu sync.Mutex
	var reached []string
	local := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		reached = append(reached, r.URL.Path)
		mu.Unlock()
		switch r.URL.Path {
		case "/to-metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		case "/to-file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/to-address":
			http.Redirect(w, r, "http://127.0.0.1"+strings.TrimPrefix(r.Host, "localhost")+"/end", http.StatusFound)
		}
	})
	port := local[strings.LastIndex(local, ":"):]
	tests := []struct {
		name    string
		network []string
		url     string
		code    string
		reached string
	}{
		{"all", []string{"*"}, local + "/x", "", "/x"},
		{"address", []string{"127.0.0.0/8"}, local + "/x", "", "/x"},
		{"nothing", nil, local + "/x", CodeDenied, ""},
		{"a malformed policy denies", []string{"*", "a/b/c"}, local + "/x", CodeDenied, ""},
		{"a name that resolves into the prefix", []string{"127.0.0.0/8", "::1"}, "http://localhost" + port + "/x", "", "/x"},
		{"a name that resolves elsewhere", []string{"10.0.0.0/8"}, "http://localhost" + port + "/x", CodeDenied, ""},
		{"a name that is listed", []string{"localhost"}, "http://localhost" + port + "/x", "", "/x"},
		{"the address of a listed name", []string{"localhost"}, local + "/x", CodeDenied, ""},
		{"redirect to metadata", []string{"*"}, local + "/to-metadata", CodeDenied, "/to-metadata"},
		{"redirect to a file", []string{"*"}, local + "/to-file", CodeInvalid, "/to-file"},
		{"redirect off the list", []string{"localhost"}, "http://localhost" + port + "/to-address", CodeDenied, "/to-address"},
		{"redirect on the list", []string{"localhost", "127.0.0.1" + port}, "http://localhost" + port + "/to-address", "", "/to-address /end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reached = nil
			e := newEffects(t, Policy{Network: test.network}, Options{})
			got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: test.url, Timeout: soon})
			if codeIn(got.Error) != test.code {
				t.Errorf("error %v, want the code %q", got.Error, test.code)
			}
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(reached, " "); got != test.reached {
				t.Errorf("the server was asked for %q, want %q", got, test.reached)
			}
		})
	}
}

func TestCheckExec(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	tests := []struct {
		allow []string
		argv  []string
		code  string
	}{
		{nil, []string{"tool"}, CodeDenied},
		{[]string{"*"}, []string{"tool"}, ""},
		{[]string{"*"}, []string{tool}, ""},
		{[]string{"tool"}, []string{"tool", "-x"}, ""},
		{[]string{"tool"}, []string{"sh"}, CodeDenied},
		{[]string{"tool"}, []string{tool}, CodeDenied}, // a base name is what the PATH finds
		{[]string{tool}, []string{tool}, ""},
		{[]string{tool}, []string{"tool"}, ""},
		{[]string{tool}, []string{dir + "/../" + filepath.Base(dir) + "/tool"}, ""},
		{[]string{"/usr/bin/tool"}, []string{"tool"}, CodeDenied},
		{[]string{"*"}, []string{"./tool"}, CodeInvalid},
		{[]string{"*"}, []string{"no-such-program"}, CodeNotFound},
		{[]string{"*"}, []string{dir + "/none"}, CodeNotFound},
		{[]string{"no-such-program"}, []string{"no-such-program"}, CodeNotFound},
		{[]string{"*"}, []string{"tool", "a\x00b"}, CodeInvalid},
		{[]string{"*"}, nil, CodeInvalid},
		{[]string{"*"}, []string{""}, CodeInvalid},
		{[]string{"bin/tool"}, []string{"tool"}, CodeInvalid},
	}
	for _, test := range tests {
		if err := (Policy{AllowExec: test.allow}).CheckExec(test.argv); code(err) != test.code {
			t.Errorf("policy %q, argv %q: %v; want the code %q", test.allow, test.argv, err, test.code)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Policy{AllowExec: []string{"*", "sh", "/bin/sh"}, Network: []string{"*", "a.test:80", "*.b.test", "::1", "[::1]:80", "10.0.0.0/8"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, entry := range []string{"", "*.", "a/b", "http://a", "a:b", "a:0", "a*b", "a b"} {
		if err := (Policy{Network: []string{entry}}).Validate(); err == nil {
			t.Errorf("the network entry %q is accepted", entry)
		}
	}
	if err := (Policy{AllowExec: []string{"a/b"}}).Validate(); err == nil {
		t.Error("the relative path a/b is accepted as a program")
	}
}

func TestCheck(t *testing.T) {
	e := newEffects(t, Policy{AllowExec: []string{"sh"}, Network: []string{"good.test"}}, Options{})
	tests := []struct{ kind, args, code string }{
		{KindHTTP, `{"url":"http://good.test/"}`, ""},
		{KindHTTP, `{"url":"http://bad.test/"}`, CodeDenied},
		{KindExec, `{"argv":["sh"]}`, ""},
		{KindExec, `{"argv":["ls"]}`, CodeDenied},
		{KindExec, `{"argv":["sh"],"env":{"LD_PRELOAD":"x"}}`, CodeDenied},
		{KindProbe, `{"kind":"http","url":"http://good.test/"}`, ""},
		{KindProbe, `{"kind":"all","of":[{"kind":"http","url":"http://good.test/"},{"kind":"tcp","addr":"bad.test:1"}]}`, CodeDenied},
		{KindProbe, `{"kind":"tcp","addr":"127.0.0.1:1"}`, CodeDenied},
		{KindProbe, `{"kind":"exec","argv":["ls"]}`, CodeDenied},
		{KindWatch, `{"every":1,"probe":{"kind":"http","url":"http://good.test/"}}`, ""},
		{KindWatch, `{"every":1,"probe":{"kind":"http","url":"http://bad.test/"}}`, CodeDenied},
		{KindWatch, `{"every":0,"probe":{"kind":"http","url":"http://good.test/"}}`, CodeInvalid},
		{"dance", `{}`, CodeInvalid},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.kind, test.args), func(t *testing.T) {
			if err := e.Check(test.kind, []byte(test.args)); code(err) != test.code {
				t.Errorf("%v; want the code %q", err, test.code)
			}
		})
	}
}

// TestWithin: a policy that was narrowed permits what both do, whichever is the wider.
func TestWithin(t *testing.T) {
	wide := Policy{Network: []string{"*"}, Load: []string{"*"}, AllowExec: []string{"*"}, MaxLoadRate: 100, MaxBody: 100}
	tight := Policy{Network: []string{"a.test", "127.0.0.0/8"}, Load: []string{"a.test"}, AllowExec: []string{"true"}, MaxLoadRate: 10, MaxBody: 10, LoadOwnTargets: true}
	for _, policy := range []Policy{
		{wide.AllowExec, wide.Network, wide.Load, true, wide.MaxLoadRate, wide.MaxBody, &tight},
		{tight.AllowExec, tight.Network, tight.Load, true, tight.MaxLoadRate, tight.MaxBody, &wide},
	} {
		if got := policy.bodies(); got != 10 {
			t.Errorf("bodies of %d bytes are permitted, expected 10", got)
		}
		for url, want := range map[string]bool{"http://a.test/": true, "http://b.test/": true, "http://127.0.0.1/": true, "http://192.0.2.1/": false} {
			if got := policy.CheckURL(url) == nil; got != want { // b.test may resolve to 127.0.0.1
				t.Errorf("%s permitted: %v, expected %v", url, got, want)
			}
		}
		rules, err := policy.rules(reaching)
		if err != nil {
			t.Fatal(err)
		}
		if rules.checkAddr("b.test", netip.MustParseAddrPort("192.0.2.1:80")) == nil || rules.checkAddr("b.test", netip.MustParseAddrPort("127.0.0.1:80")) != nil {
			t.Error("an address that a name resolves to is not looked at under both")
		}
		if policy.CheckExec([]string{"true"}) != nil || policy.CheckExec([]string{"false"}) == nil {
			t.Error("programs are not looked at under both")
		}
		if _, err := newExecer(policy, Options{}).environment(map[string]string{"LD_PRELOAD": "x"}); err == nil {
			t.Error("LD_PRELOAD goes into a program that is one of few")
		}
		e := New(policy, Options{})
		if e.loads.max != 10 || e.loads.permits().checkURL("http://192.0.2.1/") == nil || e.loads.permits().checkURL("http://a.test/") != nil {
			t.Error("load is not looked at under both")
		}
		e.Close()
		bad := policy
		bad.Within = &Policy{Network: []string{"http://x"}}
		if bad.Validate() == nil || bad.CheckURL("http://a.test/") == nil {
			t.Error("a policy within that is none is taken")
		}
	}
}

// TestWithinNames: a name is looked up where both policies let requests to it go.
func TestWithinNames(t *testing.T) {
	for _, lists := range [][2]string{{"*", "a.test"}, {"a.test", "*"}, {"*.test", "a.test"}} {
		e := New(Policy{Network: lists[:1], Within: &Policy{Network: lists[1:]}}, Options{})
		defer e.Close()
		for name, want := range map[string]bool{"a.test": true, "b.test": false} {
			if got := e.Check(KindDNS, []byte(`{"name":"`+name+`"}`)) == nil; got != want {
				t.Errorf("%s within %s: the lookup of %s permitted: %v, expected %v", lists[0], lists[1], name, got, want)
			}
		}
	}
}
