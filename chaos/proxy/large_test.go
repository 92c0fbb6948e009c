package proxy

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"starquake/chaos/proxy/h2/h2test"
)

// What is too long to be changed passes as it is, and is counted: nobody is to believe that
// it was changed.
func TestTooLongIsCounted(t *testing.T) {
	long := bytes.Repeat([]byte("x"), maxEdit+1)
	serve := func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(long) }
	for name, upstream := range map[string]string{"http": startHTTP(t, serve), "h2": h2test.StartHTTP2(t, serve)} {
		p := startProxy(t, "http", upstream)
		client, _ := countedClient(t, p, name == "h2")
		a := apply(t, p, "x", "rewrite", map[string]any{"body": "other", "headers": map[string]any{"X-Changed": "yes"}})
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
