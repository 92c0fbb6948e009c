package effects

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestChangeByPrograms(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	e := New(Policy{AllowExec: []string{"touch", "rm", "false", "test"}}, Options{})
	defer e.Close()
	gone := json.RawMessage(`{"kind":"exec","argv":["test","!","-e","` + mark + `"]}`)
	there := func() bool { _, err := os.Stat(mark); return err == nil }
	touch, rm := []string{"touch", mark}, []string{"rm", "-f", mark}
	for _, tt := range []struct {
		name          string
		change        Change
		begun         bool
		make, undoing string // "" for none
		left          bool
	}{
		{"well", Change{On: Means{Run: [][]string{touch}}, Off: Means{Run: [][]string{rm}}, Check: gone}, true, "", "", false},
		{"fails in the middle", Change{On: Means{Run: [][]string{touch, {"false"}, {"rm", "-f", mark}}}, Off: Means{Run: [][]string{rm}}}, true, "false ended with code 1", "", false},
		{"all of off is run", Change{On: Means{Run: [][]string{touch}}, Off: Means{Run: [][]string{{"false"}, rm}}}, true, "", "false ended with code 1", false},
		{"not confirmed", Change{On: Means{Run: [][]string{touch}}, Off: Means{Run: [][]string{{"rm", "-f", mark + " x'y"}}}, Check: gone}, true, "",
			`its check does not hold after it was undone: exit code 1, expected 0: nothing; it is not confirmed undone within WITHIN: do it by hand: rm -f '` + mark + ` x'\''y'`, true},
		{"off is not permitted", Change{On: Means{Run: [][]string{touch}}, Off: Means{Run: [][]string{{"mv"}}}}, false, "running mv is not permitted", "undo it by hand: mv", false},
		{"check is not permitted", Change{On: Means{Run: [][]string{touch}}, Off: Means{Run: [][]string{rm}}, Check: json.RawMessage(`{"kind":"tcp","addr":"127.0.0.1:1"}`)}, false, "not permitted", "not permitted", false},
		{"check does not hold before", Change{On: Means{Run: [][]string{touch}}, Off: Means{Run: [][]string{rm}}, Check: json.RawMessage(`{"kind":"exec","argv":["false"]}`)}, false, "does not hold before it begins", "does not hold", false},
	} {
		_ = os.Remove(mark) // of the case before
		tt.change.Within = time.Minute
		begun, err := e.Make(context.Background(), &tt.change)
		if begun != tt.begun || !says(err, tt.make) {
			t.Errorf("%s: begun %v, %v; want %v, %q", tt.name, begun, err, tt.begun, tt.make)
		}
		if begun != there() {
			t.Errorf("%s: begun %v, and the mark is there: %v", tt.name, begun, there())
		}
		want := ""
		undo := func(within time.Duration) error {
			tt.change.Within = within
			want = strings.ReplaceAll(tt.undoing, "WITHIN", within.String())
			return e.Unmake(context.Background(), &tt.change)
		}
		if tt.undoing == "" {
			err = undo(time.Minute)
		} else { // it cannot be done in any time, but a busy machine needs longer to try it
			err = undo(time.Second)
			for within := 2 * time.Second; !says(err, want) && within < 30*time.Second; within *= 2 {
				err = undo(within)
			}
		}
		if !says(err, want) || there() != tt.left {
			t.Errorf("%s: undone: %v, left %v; want %q, %v", tt.name, err, there(), want, tt.left)
		}
	}
}

// TestChangeHangs: a program that undoes and hangs does not keep the others from being run.
func TestChangeHangs(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	e := New(Policy{AllowExec: []string{"touch", "rm", "sleep"}}, Options{})
	defer e.Close()
	hangs := []string{"sleep", "3600"}
	c := &Change{
		On: Means{Run: [][]string{{"touch", mark}}}, Within: time.Second,
		Off: Means{Run: [][]string{hangs, hangs, {"rm", "-f", mark}}},
	}
	if _, err := e.Make(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	err := e.Unmake(context.Background(), c)
	if !says(err, "it is not confirmed undone within 1s") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("what comes after a program that hangs was not run")
	}
}

func says(err error, want string) bool {
	if want == "" || err == nil {
		return want == "" && err == nil
	}
	return strings.Contains(err.Error(), want)
}

func TestChangeByRequests(t *testing.T) {
	var on atomic.Bool
	var busy atomic.Int32 // so many requests to go off are refused
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			if on.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		case r.Header.Get("Authorization") != "Bearer hush":
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case r.Method == http.MethodPut:
			on.Store(true)
			w.WriteHeader(http.StatusAccepted)
		case busy.Add(-1) >= 0:
			http.Error(w, "busy", http.StatusConflict)
		default:
			on.Store(false)
		}
	}))
	defer s.Close()
	e := New(Policy{Network: []string{"127.0.0.1"}}, Options{})
	defer e.Close()
	auth := map[string]string{"Authorization": "Bearer hush"}
	c := &Change{
		Within: 20 * time.Second,
		On:     Means{Send: &HTTPArgs{Method: "PUT", URL: s.URL, Headers: auth}, Expect: "202"},
		Off:    Means{Send: &HTTPArgs{Method: "DELETE", URL: s.URL, Headers: auth}},
		Check:  json.RawMessage(`{"kind":"http","url":"` + s.URL + `"}`),
	}
	ctx := context.Background()
	if begun, err := e.Make(ctx, c); !begun || err != nil || !on.Load() {
		t.Fatalf("begun %v, %v, on %v", begun, err, on.Load())
	}
	busy.Store(2)
	if err := e.Unmake(ctx, c); err != nil || on.Load() {
		t.Errorf("%v, on %v", err, on.Load())
	}
	if err := e.Unmake(ctx, c); err != nil { // once more does no harm
		t.Error(err)
	}
	c.On.Expect = "200"
	if _, err := e.Make(ctx, c); !says(err, "PUT "+s.URL+" answered 202, expected 200") {
		t.Errorf("got %v", err)
	}
	c.Off.Send.Headers, c.Within = nil, 300*time.Millisecond
	err := e.Unmake(ctx, c)
	for ; !says(err, "answered 401") && c.Within < 30*time.Second; c.Within *= 2 { // a busy machine needs longer to ask
		err = e.Unmake(ctx, c)
	}
	if !says(err, "answered 401") || !says(err, "do it by hand: curl -X DELETE "+s.URL) {
		t.Errorf("got %v", err)
	}
	on.Store(false)
	c.Off.Send.URL = "http://10.1.1.1/"
	if begun, err := e.Make(ctx, c); begun || !says(err, "a request to 10.1.1.1 is not permitted") {
		t.Errorf("begun %v, %v", begun, err)
	}
}

// TestHTTPClient looks at the client for the APIs of engines: it asks the policy, and does
// not carry what opens an API elsewhere.
func TestHTTPClient(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("http://elsewhere.test/", http.StatusFound))
	defer s.Close()
	e := New(Policy{Network: []string{"127.0.0.1"}}, Options{})
	defer e.Close()
	resp, err := e.HTTPClient().Get(s.URL)
	if err != nil || resp.StatusCode != http.StatusFound {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if _, err := e.HTTPClient().Get("http://10.1.1.1/"); !says(err, "not permitted") {
		t.Errorf("got %v", err)
	}
}

// TestChangeRedirected: a request that a redirect would turn into another one has not been done.
// With the same method it is followed.
func TestChangeRedirected(t *testing.T) {
	var on atomic.Bool
	var how atomic.Int32 // the status of the redirect
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/off":
			http.Redirect(w, r, "/off/", int(how.Load()))
		case r.Method == http.MethodPost:
			on.Store(r.URL.Path == "/on")
		}
	}))
	defer s.Close()
	e := New(Policy{Network: []string{"127.0.0.1"}}, Options{})
	defer e.Close()
	c := &Change{
		On:  Means{Send: &HTTPArgs{Method: "POST", URL: s.URL + "/on"}},
		Off: Means{Send: &HTTPArgs{Method: "POST", URL: s.URL + "/off"}},
	}
	ctx := context.Background()
	if begun, err := e.Make(ctx, c); !begun || err != nil || !on.Load() {
		t.Fatalf("begun %v, %v, on %v", begun, err, on.Load())
	}
	how.Store(http.StatusMovedPermanently)
	c.Within = 300 * time.Millisecond
	err := e.Unmake(ctx, c)
	for ; !says(err, "answered 301, expected 2xx") && c.Within < 30*time.Second; c.Within *= 2 { // a busy machine needs longer to ask
		err = e.Unmake(ctx, c)
	}
	if !says(err, "answered 301, expected 2xx") || !on.Load() {
		t.Errorf("%v, on %v", err, on.Load())
	}
	how.Store(http.StatusPermanentRedirect)
	c.Within = 20 * time.Second
	if err := e.Unmake(ctx, c); err != nil || on.Load() {
		t.Errorf("%v, on %v", err, on.Load())
	}
}
