package proxy

import (
	"io"
	"net"
	"testing"
)

// turn is what a client sends, and what its upstream answers.
type turn struct{ request, answer string }

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// plain is an exchange that any connection takes that goes on.
func plain() turn { return turn{"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", okAnswer} }

// wireRow is a connection, byte by byte: all that is sent must come out on the other side
// as it went in.
type wireRow struct {
	name string
	talk []turn
	ends bool // the upstream ends the connection after it, and so does the proxy
}

func wireRows() []wireRow {
	one := func(name, request, answer string) wireRow {
		return wireRow{name: name, talk: []turn{{request, answer}, plain()}}
	}
	last := func(name, request, answer string) wireRow {
		return wireRow{name: name, talk: []turn{{request, answer}}, ends: true}
	}
	const get = "GET /x HTTP/1.1\r\nHost: a\r\n"
	const ok = "HTTP/1.1 200 OK\r\n"
	return []wireRow{
		// Hop-by-hop fields: the proxy is no hop.
		one("named in Connection", get+"Connection: X-Mine, keep-alive\r\nX-Mine: 1\r\n\r\n", ok+"Connection: X-Yours\r\nX-Yours: 2\r\nContent-Length: 2\r\n\r\nok"),
		one("Connection names Host and Content-Length", "POST /x HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length\r\nContent-Length: 2\r\n\r\nhi", okAnswer),
		one("Keep-Alive", get+"Connection: Keep-Alive\r\nKeep-Alive: timeout=5, max=10\r\n\r\n", ok+"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok"),
		one("Proxy-Connection", get+"Proxy-Connection: close\r\n\r\n", ok+"Proxy-Connection: close\r\nContent-Length: 2\r\n\r\nok"),
		one("Proxy-Authorization", get+"Proxy-Authorization: Basic YTpi\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"),
		one("TE and Trailer", get+"TE: trailers, deflate;q=0.5\r\nConnection: TE\r\n\r\n", ok+"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
		one("Upgrade that is not in Connection", get+"Upgrade: echo\r\n\r\n", okAnswer),
		one("Upgrade that the server does not take", get+"Connection: Upgrade\r\nUpgrade: echo\r\n\r\n", ok+"Upgrade: echo\r\nContent-Length: 2\r\n\r\nok"),
		one("names in odd case, values in odd space", "GET /x HTTP/1.1\r\nhOsT:a\r\nx-ODD:\t  a  b \t\r\nX-Empty:\r\n\r\n", "HTTP/1.1 200\r\ncontent-LENGTH:   2  \r\n\r\nok"),
		one("the same field twice", get+"Cookie: a\r\nCookie: b\r\n\r\n", ok+"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok"),
		// How bodies and connections end.
		one("a body of a GET", get+"Content-Length: 2\r\n\r\nhi", okAnswer),
		one("HEAD with a length", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", ok+"Content-Length: 99\r\n\r\n"),
		one("HEAD without one", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", ok+"\r\n"),
		one("HEAD and chunked", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", ok+"Transfer-Encoding: chunked\r\n\r\n"),
		one("204", get+"\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
		one("204 with a length", get+"\r\n", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"),
		one("304 with a length", get+"\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n"),
		one("304 that says chunked", get+"\r\n", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
		one("205", get+"\r\n", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
		one("chunks with extensions and trailers", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n00000002;a=\"b;c\"\r\nhi\r\n0;z\r\nX-Sum: 1\r\nX-More:\r\n\r\n",
			ok+"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n000\r\nX-Sum: 1\r\n\r\n"),
		one("gzip and chunked", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", okAnswer),
		one("asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", okAnswer),
		one("absolute target", "GET http://shop.test/a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", okAnswer),
		one("a method of nobody's", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"),
		one("1.0 that is kept", "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
		last("1.0", "GET /x HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
		last("1.0 until the end", "GET /x HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nuntil the end"),
		last("close", get+"Connection: close\r\n\r\n", ok+"Connection: close\r\nContent-Length: 2\r\n\r\nok"),
		last("close among others", get+"\r\n", ok+"Connection: X-Mine, Close\r\nX-Mine: 1\r\nContent-Length: 2\r\n\r\nok"),
		last("gzip without chunked, until the end", get+"\r\n", ok+"Transfer-Encoding: gzip\r\n\r\nuntil the end"),
		// Interim answers.
		one("103 twice", get+"\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"+okAnswer),
		one("102", get+"\r\n", "HTTP/1.1 102 Processing\r\n\r\n"+okAnswer),
		one("100 that nobody asked for", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 100 Continue\r\n\r\n"+okAnswer),
		{name: "100 before a body", talk: []turn{
			{"PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"}, {"hi", okAnswer}, plain()}},
		{name: "100 before chunks", talk: []turn{
			{"PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 100 Continue\r\nX-Go: on\r\n\r\n"}, {"2\r\nhi\r\n0\r\n\r\n", okAnswer}, plain()}},
		{name: "an answer before the body, which comes all the same", talk: []turn{
			{"PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"}, {"hi", ""}, plain()}},
		// Several at once.
		{name: "pipelined", talk: []turn{{get + "\r\nPOST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiHEAD /z HTTP/1.1\r\nHost: a\r\n\r\n",
			okAnswer + "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ok + "Content-Length: 7\r\n\r\n"}, plain()}},
		// Tunnels.
		{name: "CONNECT", talk: []turn{{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n"}, {"\x16\x03raw", "\x00GET"}}, ends: true},
		one("CONNECT that is refused", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
		{name: "101", talk: []turn{{get + "Connection: Upgrade\r\nUpgrade: echo/1, other\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"}, {"raw\r\n\r\n", "\x00raw"}}, ends: true},
		{name: "101 after a 103", talk: []turn{{get + "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"}, {"raw", "raw"}}, ends: true},
	}
}

// What is HTTP passes byte by byte as it came, in both ways, and keeps or ends the
// connection as its two ends have agreed: fields that are for a hop too, since the proxy
// has one connection upstream for each of a client, and is none.
func TestBytesPassAsTheyCame(t *testing.T) { calmAndSlow(t, walkBytesPassAsTheyCame) }

func walkBytesPassAsTheyCame(t *testing.T, start starter) {
	for _, protocol := range []string{"http", "auto"} {
		for _, row := range wireRows() {
			t.Run(protocol+" "+row.name, func(t *testing.T) {
				heard := make(chan string, len(row.talk))
				upstream := startTCP(t, func(c net.Conn) {
					for _, x := range row.talk {
						got := make([]byte, len(x.request))
						n, _ := io.ReadFull(c, got)
						heard <- string(got[:n])
						if _, err := io.WriteString(c, x.answer); err != nil || n < len(got) {
							return
						}
					}
					if !row.ends {
						_, _ = io.Copy(io.Discard, c)
					}
				})
				p := start(t, protocol, upstream)
				c := dialRaw(t, p.Addr())
				for _, x := range row.talk {
					send(t, c, x.request)
					if got := <-heard; got != x.request {
						t.Fatalf("the upstream got %q, sent was %q", got, x.request)
					}
					readFull(t, c, x.answer)
				}
				if row.ends {
					if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
						t.Errorf("after the end came %q, %v", rest, err)
					}
				}
				c.Close()
				eventually(t, "it is forgotten", func() bool { return p.ActiveConns() == 0 })
			})
		}
	}
}

// A fault that edits a request or an answer changes what it is told to, and no other
// field: those for a hop stay here too.
func TestEditsKeepOtherFields(t *testing.T) {
	const hop = "Connection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: Basic YTpi\r\n"
	heard := make(chan string, 1)
	upstream := startTCP(t, func(c net.Conn) {
		got := make([]byte, 4096)
		n, _ := c.Read(got)
		heard <- string(got[:n])
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+hop+"Content-Length: 2\r\n\r\nok")
		_, _ = io.Copy(io.Discard, c)
	})
	p := startProxy(t, "http", upstream)
	apply(t, p, "q", "rewrite", map[string]any{"direction": "request", "headers": map[string]any{"X-New": "1"}})
	apply(t, p, "a", "rewrite", map[string]any{"headers": map[string]any{"X-New": "2"}})
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n"+hop+"\r\n")
	if got, want := <-heard, "GET / HTTP/1.1\r\nHost: a\r\n"+hop+"X-New: 1\r\n\r\n"; got != want {
		t.Errorf("the upstream got %q, want %q", got, want)
	}
	readFull(t, c, "HTTP/1.1 200 OK\r\n"+hop+"Content-Length: 2\r\nX-New: 2\r\n\r\nok")
}
