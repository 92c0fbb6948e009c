package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"starquake/chaos/proxy/h2/h2test"
)

// What is too long to be changed passes as it is, and is counted: nobody is to believe that
// it was changed.
func TestTooLongIsCounted(t *testing.T) {
	long := []byte("{}" + strings.Repeat(" ", maxEdit))
	serve := func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(long) }
	for name, upstream := range map[string]string{"http": startHTTP(t, serve), "h2": h2test.StartHTTP2(t, serve)} {
		p := startProxy(t, "http", upstream)
		client, _ := countedClient(t, p, name == "h2")
		a := apply(t, p, "x", "rewrite", map[string]any{"json_patch": []any{map[string]any{"op": "add", "path": "/a", "value": 1}}, "headers": map[string]any{"X-Changed": "yes"}})
		for _, method := range []string{"HEAD", "GET"} {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Addr(), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if want := map[string]int{"HEAD": 0, "GET": len(long)}[method]; err != nil || len(body) != want || resp.Header.Get("X-Changed") != "yes" {
				t.Errorf("%s %s: %d bytes, %v, %v", name, method, len(body), resp.Header, err)
			}
		}
		if s := a.Remove(); s.Hit != 2 || s.Inapplicable != 1 {
			t.Errorf("%s: %+v, want one of two that could not be changed", name, s)
		}
	}
}

// The same of messages: one that is to be sent twice, and one that is compressed.
func TestTooLongMessageIsCounted(t *testing.T) {
	noise := make([]byte, maxEdit+1)
	for i, x := 0, uint32(1); i < len(noise); i++ { // which does not compress
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, test := range map[string]struct {
		mode    websocket.CompressionMode
		kind    string
		args    map[string]any
		message []byte
	}{
		"copied":                 {websocket.CompressionDisabled, "ws_duplicate", map[string]any{"direction": "request"}, noise},
		"long compressed":        {websocket.CompressionNoContextTakeover, "ws_corrupt", map[string]any{"kind": "bit_flip", "direction": "request"}, noise},
		"long when decompressed": {websocket.CompressionNoContextTakeover, "ws_corrupt", map[string]any{"kind": "bit_flip", "direction": "request"}, make([]byte, maxEdit+1)},
	} {
		p := startProxy(t, "ws", startSocketEcho(t, test.mode))
		c, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr(), &websocket.DialOptions{CompressionMode: test.mode})
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(-1)
		a := apply(t, p, "x", test.kind, test.args)
		if err := c.Write(t.Context(), websocket.MessageBinary, test.message); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, test.message) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if s := a.Remove(); s.Inapplicable != 1 {
			t.Errorf("%s: %+v, want it counted as one that could not be changed", name, s)
		}
		_ = c.CloseNow()
	}
}

// A whole new body takes the place of one of any length, which nobody has to keep; so does
// none at all, with a status that has none.
func TestNewBodyForLong(t *testing.T) {
	const long = 3 * maxEdit
	serve := func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		w.Header().Set("X-Got", fmt.Sprint(len(got), " ", r.ContentLength, " ", r.Header["Expect"], " ", err))
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
			return
		case "/same":
			w.WriteHeader(http.StatusNotModified)
			return
		case "/known":
			w.Header().Set("Content-Length", strconv.Itoa(long))
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			defer w.Header().Set("X-Sum", "1")
		case "/ends":
			w.Header().Set("Connection", "close")
			w.Header().Set("Transfer-Encoding", "identity")
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip")
		}
		for range long / maxEdit {
			_, _ = w.Write(make([]byte, maxEdit))
		}
	}
	for name, upstream := range map[string]string{"http": startHTTP(t, serve), "h2": h2test.StartHTTP2(t, serve)} {
		p := startProxy(t, "http", upstream)
		tr := &http.Transport{ExpectContinueTimeout: generous, DisableCompression: true}
		if name == "h2" {
			tr.Protocols = new(http.Protocols)
			tr.Protocols.SetUnencryptedHTTP2(true)
		}
		defer tr.CloseIdleConnections()
		client := &http.Client{Transport: tr, Timeout: generous}
		ask := func(method, path string, body io.Reader, header ...string) (*http.Response, string) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Addr()+path, body)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range header {
				req.Header.Set(h, "100-continue")
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s %s %s: %v", name, method, path, err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Errorf("%s %s %s: %v", name, method, path, err)
			}
			return resp, string(got)
		}
		upload := func() io.Reader { return struct{ io.Reader }{bytes.NewReader(make([]byte, long))} } // of no known length

		a := apply(t, p, "answer", "rewrite", map[string]any{"body": "other"})
		paths := []string{"/known", "/chunked", "/trailers", "/packed"}
		if name == "http" {
			paths = append(paths, "/ends")
		}
		for _, path := range paths {
			for _, method := range []string{"GET", "HEAD"} {
				resp, got := ask(method, path, nil)
				if want := map[string]string{"GET": "other"}[method]; got != want || resp.ContentLength != 5 || resp.Header.Get("Content-Encoding") != "" {
					t.Errorf("%s %s %s: %.20q, a length of %d, %v", name, method, path, got, resp.ContentLength, resp.Header)
				}
			}
		}
		for _, path := range []string{"/empty", "/same"} {
			if resp, got := ask("GET", path, nil); got != "" || resp.StatusCode < 204 {
				t.Errorf("%s %s: %s %q", name, path, resp.Status, got)
			}
		}
		if s := a.Remove(); s.Hit != uint64(2*len(paths)+2) || s.Inapplicable != 0 {
			t.Errorf("%s: %+v", name, s)
		}

		a = apply(t, p, "none", "rewrite", map[string]any{"status": 204})
		for _, method := range []string{"GET", "HEAD"} {
			if resp, got := ask(method, "/known", nil); got != "" || resp.StatusCode != 204 || resp.Header.Get("Content-Length") != "" {
				t.Errorf("%s %s: %s, %.20q, %v", name, method, resp.Status, got, resp.Header)
			}
		}
		if s := a.Remove(); s.Hit != 2 || s.Inapplicable != 0 {
			t.Errorf("%s: %+v", name, s)
		}

		a = apply(t, p, "request", "rewrite", map[string]any{"direction": "request", "body": "other"})
		for what, r := range map[string]struct {
			body   io.Reader
			header []string
		}{
			"known":    {body: bytes.NewReader(make([]byte, long))},
			"unknown":  {body: upload()},
			"expected": {body: upload(), header: []string{"Expect"}},
		} {
			const want = "5 5 [] <nil>"
			if resp, got := ask("POST", "/known", r.body, r.header...); resp.Header.Get("X-Got") != want {
				t.Errorf("%s, a request of %s length: the service got %s, and the client %s", name, what, resp.Header.Get("X-Got"), resp.Status+got[:min(200, len(got))])
			}
		}
		if s := a.Remove(); s.Hit != 3 || s.Inapplicable != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
