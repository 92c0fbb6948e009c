package link

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"starquake/chaos"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCall(t *testing.T) {
	var answer func(w http.ResponseWriter, r *http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer s.Close()
	c := &Caller{HTTP: s.Client(), Base: s.URL + "/", Token: "hush"}
	text := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for _, tt := range []struct {
		name    string
		answer  func(http.ResponseWriter, *http.Request)
		want    string // of the error, "" for none
		refused bool
	}{
		{"well", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer hush" || r.UserAgent() != "starquake" || r.Header.Get("Content-Type") != "application/json" || r.URL.EscapedPath() != "/a/b%2Fc" {
				w.WriteHeader(http.StatusTeapot)
			}
			fmt.Fprint(w, `{"n": 7}`)
		}, "", false},
		{"a problem document", text(409, `{"title":"Conflict","code":"fault_differs","detail":"another one"}`), "answered 409: another one", true},
		{"Toxiproxy's", text(404, `{"error":"proxy not found","status":404}`), "answered 404: proxy not found", true},
		{"plain text", text(500, "oh\x1b[31m\nno"), "answered 500: oh [31m no", false},
		{"nothing", text(503, ""), "answered 503", false},
		{"not let in", text(401, ""), `give the engine its token with token = secret("NAME")`, true},
		{"too many", text(429, ""), "answered 429", false},
		{"no JSON", text(200, "<html>"), "is it the right address?", false},
		{"another form", text(200, `{"n": {}}`), "is it the right address?", false},
		{"too long", text(200, strings.Repeat(" ", maxAnswer+1)), "longer than", false},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		}, "reading the answer", false},
	} {
		answer = tt.answer
		var out struct{ N int }
		err := c.Call(context.Background(), http.MethodPost, Path("a", "b/c"), map[string]int{"x": 1}, &out)
		switch {
		case tt.want == "" && (err != nil || out.N != 7):
			t.Errorf("%s: %v, %d", tt.name, err, out.N)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		case IsRefusal(err) != tt.refused:
			t.Errorf("%s: refused is %v: %v", tt.name, !tt.refused, err)
		}
	}
}

// TestUnanswered: what may still arrive at an engine.
func TestUnanswered(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{&NoAnswerError{Sent: true, Err: context.DeadlineExceeded}, true},
		{&NoAnswerError{Err: context.DeadlineExceeded}, false},
		{&StatusError{Status: 504}, true},
		{fmt.Errorf("x: %w", &StatusError{Status: 502}), true},
		{&StatusError{Status: 503}, false}, // of a gateway that has nowhere to send it, or of the engine itself
		{&StatusError{Status: 400}, false},
	} {
		if got := IsUnanswered(tt.err); got != tt.want {
			t.Errorf("%v: got %v", tt.err, got)
		}
	}
}

func FuzzFailure(f *testing.F) {
	f.Add([]byte(`{"error":"x"}`))
	f.Add([]byte(`{"detail":"\u001b","code":7}`))
	f.Add([]byte("\xff\x00plain"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e := failure("GET", "http://a", 500, text)
		if strings.ContainsFunc(e.Message, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(e.Message) > 3*maxSaid {
			t.Errorf("%q", e.Message)
		}
	})
}

func TestCheckURL(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:8474": "", "https://[::1]:1/base/": "",
		"127.0.0.1:8474": "no address", "ftp://a": "no address", "http://": "no address", "http://a?b": "no address", "http://a#b": "no address",
		"http://u:p@a": "user or password", "http://a\x00": "no address",
	} {
		if err := CheckURL(url); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", url, err, want)
		}
	}
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		tries := 0
		if err := Retry(ctx, func(context.Context) error {
			if tries++; tries < 5 {
				return errors.New("not yet")
			}
			return nil
		}); err != nil || tries != 5 {
			t.Errorf("%v after %d tries", err, tries)
		}
		refusal := &StatusError{Status: 404}
		if err := Retry(ctx, func(context.Context) error { return refusal }); err != error(refusal) {
			t.Errorf("got %v", err)
		}
		began := time.Now()
		if err := Retry(ctx, func(ctx context.Context) error { return errors.New("never") }); err == nil || err.Error() != "never" || time.Since(began) < 9*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// engine writes down what is asked of it, and when.
type engine struct {
	mu    sync.Mutex
	began time.Time
	log   []string
	fails int // so many times
	gone  bool
}

func (e *engine) note(what string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fails > 0 {
		e.fails--
		what += " fails"
		e.log = append(e.log, fmt.Sprint(time.Since(e.began), " ", what))
		return errors.New(what)
	}
	e.log = append(e.log, fmt.Sprint(time.Since(e.began), " ", what))
	return nil
}

func (e *engine) following(f chaos.Fault, step time.Duration) Following {
	e.began = time.Now()
	return Following{
		Fault: f, Step: step,
		Put: func(_ context.Context, at time.Duration) error {
			return e.note(fmt.Sprint("put ", f.Number("delay").Duration(at)))
		},
		Take: func(context.Context) error { return e.note("take") },
		Look: func(context.Context) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.gone {
				return Lost("it is gone")
			}
			return nil
		},
	}
}

func (e *engine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *engine) expect(t *testing.T, want ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Equal(e.log, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(e.log, ", "), strings.Join(want, ", "))
	}
	e.log = nil
}

func fault(t *testing.T, args map[string]any) chaos.Fault {
	t.Helper()
	f, err := chaos.New("latency", args)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFollower(t *testing.T) {
	ramp := map[string]any{"ramp": map[string]any{"start": "0s", "end": "4s", "over": "4s", "shape": "linear"}}
	pulse := map[string]any{"on": "3s", "off": "2s"}
	t.Run("pulse and pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var e engine
			w, err := Follow(context.Background(), e.following(fault(t, map[string]any{"delay": "1s", "pulse": pulse}), 0))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Second) // on again at 5s, off at 8s
			synctest.Wait()
			e.expect(t, "0s put 1s", "3s take", "5s put 1s", "8s take")
			w.Pause()
			time.Sleep(10 * time.Second) // it is 9s for the fault
			w.Resume()
			time.Sleep(1500 * time.Millisecond) // on at 20s
			synctest.Wait()
			e.expect(t, "20s put 1s")
			w.Lift()
			time.Sleep(time.Minute)
			w.Restore()
			synctest.Wait()
			e.expect(t, "20.5s take", "1m20.5s put 1s")
			w.Stop()
			time.Sleep(time.Minute)
			e.expect(t)
		})
	})
	t.Run("ramp", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var e engine
			w, err := Follow(context.Background(), e.following(fault(t, map[string]any{"delay": ramp}), time.Second))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			e.expect(t, "0s put 0s", "1s put 1s", "2s put 2s", "3s put 3s", "4s put 4s")
			w.Stop()
		})
	})
	t.Run("lost and failing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var e engine
			warned := 0
			f := e.following(fault(t, map[string]any{"delay": "1s", "pulse": pulse}), 0)
			f.Warn = func(error) { e.set(func() { warned++ }) }
			w, err := Follow(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			e.set(func() { e.fails = 2 })
			time.Sleep(4500 * time.Millisecond)
			synctest.Wait()
			e.expect(t, "0s put 1s", "3s take fails", "4s take fails", "5s put 1s")
			e.set(func() {
				if warned != 2 {
					t.Errorf("it warned %d times", warned)
				}
			})
			e.set(func() { e.gone = true })
			if err := <-w.Lost(); !IsLost(err) {
				t.Error(err)
			}
			w.Stop()
		})
	})
	t.Run("unanswered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var e engine
			f := e.following(fault(t, map[string]any{"delay": "1s"}), 0)
			put := f.Put
			f.Put = func(ctx context.Context, at time.Duration) error {
				if err := put(ctx, at); err != nil {
					return &NoAnswerError{Sent: true, Err: err}
				}
				return nil
			}
			w, err := Follow(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			w.Lift()
			time.Sleep(time.Second)
			e.set(func() { e.fails = 1 })
			w.Restore()
			time.Sleep(1500 * time.Millisecond)
			w.Lift() // before what was not answered can no longer come
			time.Sleep(time.Minute)
			synctest.Wait()
			e.expect(t, "0s put 1s", "0s take", "1s put 1s fails", "2s put 1s", "2.5s take", "3s take")
			w.Stop()
			if err := w.Failed(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("lifted to begin with", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var e engine
			f := e.following(fault(t, map[string]any{"delay": "1s", "pulse": pulse}), 0)
			f.Hold, f.Elapsed = Hold{Paused: true, Lifted: true}, 2*time.Second
			w, err := Follow(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			w.Restore()
			time.Sleep(time.Minute)
			w.Resume()
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			e.expect(t, "1m0s put 1s", "2m1s take")
			w.Stop()
		})
	})
	t.Run("not on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := engine{fails: 1}
			if _, err := Follow(context.Background(), e.following(fault(t, map[string]any{"delay": "1s"}), 0)); err == nil {
				t.Error("it is on")
			}
		})
	})
}
