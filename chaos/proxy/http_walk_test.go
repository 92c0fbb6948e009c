package proxy

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"starquake/chaos/proxy/h2/h2test"
)

// Answers pass byte by byte as their servers gave them, and keep the connection: interim
// ones, those without a body to a HEAD and by their status, and chunks with a trailer.
func TestAnswersPass(t *testing.T) { calmAndSlow(t, walkAnswersPass) }

func walkAnswersPass(t *testing.T, start starter) {
	answers := []struct{ request, answer string }{
		{"GET /hints", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{"GET /processing", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"},
		{"HEAD /length", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"},
		{"HEAD /chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"GET /unchanged", "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"},
		{"GET /chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n"},
		{"GET /empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"GET /last", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"},
	}
	upstream := startAnswering(t, func(c net.Conn, req *http.Request) bool {
		for _, a := range answers {
			if a.request == req.Method+" "+req.URL.Path {
				_, _ = io.WriteString(c, a.answer)
			}
		}
		return req.URL.Path != "/last"
	})
	for _, protocol := range []string{"http", "auto"} {
		for _, pipelined := range []bool{false, true} {
			c := dialRaw(t, start(t, protocol, upstream).Addr())
			want, all := "", ""
			for _, a := range answers {
				text := a.request + " HTTP/1.1\r\nHost: a\r\n\r\n"
				if all, want = all+text, want+a.answer; !pipelined {
					send(t, c, text)
					readFull(t, c, a.answer)
				}
			}
			if pipelined {
				send(t, c, all)
				readFull(t, c, want)
			}
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("%s pipelined %v: after the end came %q, %v", protocol, pipelined, rest, err)
			}
		}
	}
}

// curl, which many users have, gets what it asks for.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here")
	}
	calmAndSlow(t, func(t *testing.T, start starter) {
		handler := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hints" {
				w.Header().Set("Link", "</a.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
			}
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Method", r.Method)
			_, _ = io.WriteString(w, r.URL.Path+" "+strings.Join(r.TransferEncoding, ",")+" "+string(body))
		}
		url := "http://" + start(t, "auto", startHTTP(t, handler)).Addr()
		url2 := "http://" + start(t, "auto", h2test.StartHTTP2(t, handler)).Addr()
		for _, test := range []struct {
			args []string
			want []string
		}{
			{[]string{url + "/a", url + "/b"}, []string{"/a  ", "/b  "}},
			{[]string{"--head", url + "/a"}, []string{"X-Method: HEAD"}},
			{[]string{"--include", url + "/hints"}, []string{"HTTP/1.1 103 Early Hints", "HTTP/1.1 200 OK", "/hints"}},
			{[]string{"--data", "hello", "--header", "Transfer-Encoding: chunked", url + "/c"}, []string{"/c chunked hello"}},
			{[]string{"--data", "hello", "--header", "Expect: 100-continue", "--include", url + "/d"}, []string{"HTTP/1.1 100 Continue", "/d  hello"}},
			{[]string{"--http1.0", url + "/e"}, []string{"/e  "}},
			{[]string{"--http2-prior-knowledge", "--data", "hello", url2 + "/f"}, []string{"/f  hello"}},
			{[]string{"--proxy", url, "http://shop.test/g"}, []string{"/g  "}},
		} {
			cmd := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--max-time", "120", "--noproxy", ""}, test.args...)...)
			cmd.Env = []string{"LC_ALL=C"} // without the proxies and settings of whoever runs this
			out, err := cmd.CombinedOutput()
			for _, want := range test.want {
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("%v: %v, got %q, want %q", test.args, err, out, want)
				}
			}
		}
	})
}
