package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// inPieces writes a message in pieces.
func inPieces(c io.Writer, b []byte, rnd *rand.Rand) error {
	for len(b) > 0 {
		n := len(b)
		if rnd.IntN(3) == 0 {
			n = 1 + rnd.IntN(n)
		}
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; rnd.IntN(4) == 0 {
			runtime.Gosched()
		}
	}
	return nil
}

// anyAnswer is an answer of some form that names the request.
func anyAnswer(req *http.Request, length int, rnd *rand.Rand) []byte {
	var b bytes.Buffer
	if rnd.IntN(8) == 0 {
		b.WriteString("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
	}
	names := fmt.Sprintf("X-Request: %s %s %d", req.Method, req.URL.Path, length)
	switch form := rnd.IntN(5); {
	case req.Method == "HEAD":
		fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 1000\r\n\r\n", names)
	case form == 0:
		fmt.Fprintf(&b, "HTTP/1.1 204 No Content\r\n%s\r\n\r\n", names)
	case form == 1:
		fmt.Fprintf(&b, "HTTP/1.1 304 Not Modified\r\n%s\r\nContent-Length: 70\r\n\r\n", names)
	case form == 2:
		fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nHTT\r\n5\r\n/1.1 \r\n0\r\nT: x\r\n\r\n", names)
	default:
		body := strings.Repeat("HTTP/1.1 200 OK\r\n\r\n", rnd.IntN(300))
		fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s", names, len(body), body)
	}
	return b.Bytes()
}

// anyRequest is a request of some form, and how long its content is.
func anyRequest(method, path string, rnd *rand.Rand) (b []byte, length int) {
	switch method {
	case "POST":
		body := strings.Repeat("GET /evil HTTP/1.1\r\n\r\n", rnd.IntN(200))
		return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body), len(body)
	case "PUT":
		return fmt.Appendf(nil, "PUT %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n16\r\nGET /evil HTTP/1.1\r\n\r\n\r\n0\r\nA: b\r\n\r\n", path), 22
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, path), 0
}

// Messages of every form, in pieces, one at a time and pipelined, while faults come and go:
// each request gets its own answer, and the end gets through.
func TestMessagesInPieces(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) {
		r, rnd := bufio.NewReader(c), rand.New(rand.NewPCG(1, 1))
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil || inPieces(c, anyAnswer(req, len(body), rnd), rnd) != nil {
				return
			}
		}
	})
	p := startRechecking(t, upstream, never)
	const each = 300
	var clients, faults sync.WaitGroup
	stop := make(chan struct{})
	faults.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			kind, args := "latency", map[string]any{"delay": "1ms"}
			if i%2 == 0 {
				kind, args = "bandwidth", map[string]any{"rate": "900MB/s"}
			}
			a := apply(t, p, fmt.Sprint(kind, i), kind, args)
			time.Sleep(time.Millisecond) // some of the requests meet it
			a.Remove()
			time.Sleep(5 * time.Millisecond)
		}
	})
	pipelined := []int{1, 1, 3, 100}
	for k, most := range pipelined {
		clients.Go(func() {
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			type asked struct{ method, names string }
			room, asks := make(chan struct{}, most), make(chan asked, each)
			go func() {
				rnd := rand.New(rand.NewPCG(uint64(k), 7))
				for i := range each {
					room <- struct{}{}
					method, path := []string{"GET", "HEAD", "POST", "PUT"}[rnd.IntN(4)], fmt.Sprintf("/%d/%d", k, i)
					b, length := anyRequest(method, path, rnd)
					asks <- asked{method, fmt.Sprintf("%s %s %d", method, path, length)}
					if err := inPieces(c, b, rnd); err != nil {
						t.Error(k, i, err)
						return
					}
				}
				_ = c.(*net.TCPConn).CloseWrite()
			}()
			r := bufio.NewReader(c)
			for i := range each {
				want := <-asks
				resp := &http.Response{StatusCode: 100}
				for resp.StatusCode < 200 {
					if resp, err = http.ReadResponse(r, &http.Request{Method: want.method}); err != nil {
						t.Error(k, i, want, err)
						return
					}
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Error(k, i, want, err)
				}
				if got := resp.Header.Get("X-Request"); got != want.names {
					t.Errorf("asked %q, got the answer to %q", want.names, got)
					return
				}
				<-room
			}
			if _, err := r.ReadByte(); err != io.EOF {
				t.Errorf("client %d reads %v behind its last answer, want the end", k, err)
			}
		})
	}
	clients.Wait()
	close(stop)
	faults.Wait()
	if got, want := p.Window(windowSeconds*time.Second).Requests, uint64(each*len(pipelined)); got != want {
		t.Errorf("%d requests are counted, want %d", got, want)
	}
	eventually(t, "all connections are over", func() bool { return p.ActiveConns() == 0 })
}
