package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"starquake/runtime/journal"
	"starquake/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers every request with a function and gives a client of it.
func serve(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	c, err := New(s.URL+"/", "tok")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func TestNew(t *testing.T) {
	for base, want := range map[string]string{
		"http://localhost:3000":          "",
		"http://[::1]:3000":              "",
		"http://127.0.0.1/starquake/":    "",
		"https://chaos.example.com":      "",
		"http://chaos.example.com":       "clear text",
		"http://localhost.example.com":   "clear text",
		"localhost:3000":                 "no address",
		"":                               "no address",
		"ftp://localhost":                "no address",
		"http://user:pw@localhost":       "no address",
		"http://localhost?x":             "no address",
		"http://local host":              "no address",
		"http://127.0.0.1.nip.test:3000": "clear text",
	} {
		_, err := New(base, "tok")
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.Contains(got, want) {
			t.Errorf("%q: got %v, want %q", base, err, want)
		}
	}
}

// sends writes records with the numbers from first on, as the server does.
func sends(w http.ResponseWriter, first, last int) {
	for n := first; n <= last; n++ {
		rec := journal.Record{Kind: journal.Log, Place: journal.Place{Branch: "0", Op: uint32(n)}, Body: &journal.LogBody{Level: "info", Message: strconv.Itoa(n)}}
		text, err := rec.AppendJSON(nil)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, ": beat\n\nid: %d\ndata: %s\n\n", n, text)
	}
}

// TestFollow cuts the stream again and again: every record comes once, in order.
func TestFollow(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer tok" || r.URL.Path != "/api/v1/runs/a%2Fb/events" && r.URL.Path != "/api/v1/runs/a/b/events" {
			t.Errorf("asked for %s", r.URL)
		}
		asked = append(asked, r.URL.RawQuery)
		w.Header().Set("Content-Type", "text/event-stream")
		switch len(asked) {
		case 1:
			sends(w, 1, 3)
		case 2:
			sends(w, 4, 4)
			_, _ = fmt.Fprint(w, "id: 5\ndata: {\"at\":") // cut in the middle of a record
		case 3:
			http.Error(w, "the proxy before it is restarted", http.StatusBadGateway)
		default:
			sends(w, 5, 6)
			_, _ = fmt.Fprint(w, "event: end\ndata: {}\n\n")
		}
	})
	var got []string
	err := c.Follow(context.Background(), "a/b", func(recs []journal.Record) error {
		for _, rec := range recs {
			got = append(got, rec.Body.(*journal.LogBody).Message)
		}
		return nil
	})
	if err != nil || strings.Join(got, " ") != "1 2 3 4 5 6" {
		t.Errorf("got %v, %v", got, err)
	}
	if want := " after=3 after=4 after=4"; strings.Join(asked, " ") != want {
		t.Errorf("asked %q, want %q", strings.Join(asked, " "), want)
	}
}

// TestFollowEnds are the ends of a stream that is not taken up again.
func TestFollowEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		fn     error
		want   string
		asked  int
	}{
		{"a record is missing", func(w http.ResponseWriter, _ *http.Request) { sends(w, 1, 1); sends(w, 3, 3) }, nil, `event "3" came behind event 1`, 1},
		{"who reads has enough", func(w http.ResponseWriter, _ *http.Request) { sends(w, 1, 2) }, errors.New("enough"), "enough", 1},
		{"no record", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "id: 1\ndata: {}\n\n") }, nil, "is no place of a run", 1},
		{"no such run", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"status":404,"title":"Not Found","code":"run_not_found","detail":"there is no run x"}`)
		}, nil, "there is no run x", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			c := serve(t, func(w http.ResponseWriter, r *http.Request) { asked++; test.answer(w, r) })
			err := c.Follow(context.Background(), "x", func([]journal.Record) error { return test.fn })
			if err == nil || !strings.Contains(err.Error(), test.want) || asked != test.asked {
				t.Errorf("got %v after %d requests", err, asked)
			}
		})
	}
}

// TestFollowCancelled ends in the middle of a stream that says nothing.
func TestFollowCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sends(w, 1, 1)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	err := c.Follow(ctx, "x", func([]journal.Record) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestStart is asked again with the same key where the first answer was lost.
func TestStart(t *testing.T) {
	var keys []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if keys = append(keys, r.Header.Get("Idempotency-Key")); len(keys) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"id":"r1","name":"x","status":"running"}`)
	})
	run, err := c.Start(context.Background(), server.StartBody{})
	if err != nil || run.ID != "r1" || len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("got %+v, %v with keys %q", run, err, keys)
	}
}

// TestNoServer are answers of something that is no Starquake server, which are not taken
// for what went wrong, nor for success.
func TestNoServer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") },
		"not found":  http.NotFound,
		"redirected": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"a problem of somebody else": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = fmt.Fprint(w, `{"title":"no"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			c := serve(t, func(w http.ResponseWriter, r *http.Request) { asked++; answer(w, r) })
			_, err := c.Steer(context.Background(), "x", "pause", Steering{})
			var lost *Unreachable
			if !errors.As(err, &lost) || asked != 1 {
				t.Errorf("got %v after %d requests", err, asked)
			}
		})
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestJournal: that a journal cannot be written here is not said of the server, and that it
// breaks off is.
func TestJournal(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "{}")
		_ = http.NewResponseController(w).Flush()
		if strings.Contains(r.URL.Path, "cut") {
			panic(http.ErrAbortHandler)
		}
	})
	var lost *Unreachable
	if err := c.Journal(context.Background(), "whole", io.Discard); err != nil {
		t.Error(err)
	}
	if err := c.Journal(context.Background(), "whole", full{}); !errors.Is(err, syscall.ENOSPC) || errors.As(err, &lost) {
		t.Errorf("no room here: %v", err)
	}
	if err := c.Journal(context.Background(), "cut", io.Discard); !errors.As(err, &lost) {
		t.Errorf("cut off: %v", err)
	}
}

// FuzzEvent reads a stream of anything.
func FuzzEvent(f *testing.F) {
	f.Add("id: 1\ndata: {\"at\":0,\"kind\":\"log\",\"place\":\"0:1\",\"body\":{\"level\":\"info\",\"message\":\"x\"}}\n\n")
	f.Add("event: end\ndata: {}\n\n")
	f.Add("data\n\n: x\n\nid\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := &stream{client: &Client{}, id: "x", fn: func(recs []journal.Record) error {
			if len(recs) != 1 {
				t.Errorf("%d records", len(recs))
			}
			return nil
		}}
		var e event
		for line := range strings.Lines(text) {
			if e.line([]byte(strings.TrimRight(line, "\r\n"))) {
				before := s.last
				if err := s.take(&e); err == nil && e.data != nil && len(e.data) > 0 && s.last != before+1 {
					t.Errorf("a record was taken, and the last is %d behind %d", s.last, before)
				}
				e = event{}
			}
		}
	})
}
