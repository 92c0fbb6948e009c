package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// talk is an upstream that greets, tells what it hears, and answers it.
func talk(heard chan<- string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.WriteString(c, "hi\n"); err != nil {
			return
		}
		lines := bufio.NewScanner(c)
		for lines.Scan() {
			heard <- lines.Text()
			if _, err := io.WriteString(c, "re:"+lines.Text()+"\n"); err != nil {
				return
			}
		}
		heard <- "end"
	}
}

// want fails unless this is what comes next.
func want(t *testing.T, heard <-chan string, what string) {
	t.Helper()
	select {
	case got := <-heard:
		if got != what {
			t.Fatalf("the upstream heard %q, want %q", got, what)
		}
	case <-time.After(generous):
		t.Fatalf("the upstream did not hear %q", what)
	}
}

// TestOneWayStream looks at black holes of one direction, on connections that are open
// and on new ones, and at what comes when they are gone.
func TestOneWayStream(t *testing.T) {
	for _, direction := range []string{"request", "response"} {
		for _, open := range []bool{false, true} {
			t.Run(fmt.Sprint(direction, " open ", open), func(t *testing.T) {
				heard := make(chan string, 8)
				p := startProxy(t, "tcp", startTCP(t, talk(heard)))
				var c *net.TCPConn
				if open {
					c = dialRaw(t, p.Addr())
					readFull(t, c, "hi\n")
				}
				a := apply(t, p, "x", "blackhole", map[string]any{"direction": direction})
				if !open {
					c = dialRaw(t, p.Addr())
				}
				if direction == "request" {
					if !open {
						readFull(t, c, "hi\n")
					}
					send(t, c, "one\n")
					staysSilent(t, c)
					if len(heard) > 0 {
						t.Errorf("the upstream heard %q", <-heard)
					}
				} else {
					send(t, c, "one\n")
					want(t, heard, "one")
					staysSilent(t, c)
				}
				a.Remove()
				if direction == "request" {
					want(t, heard, "one")
				} else if !open {
					readFull(t, c, "hi\n")
				}
				readFull(t, c, "re:one\n")
			})
		}
	}
}

// TestOneWayTimeout: the end comes in time although nobody says a word, and of either way.
func TestOneWayTimeout(t *testing.T) {
	for _, direction := range []string{"request", "response"} {
		for _, open := range []bool{false, true} {
			p := startProxy(t, "tcp", startTCP(t, echo))
			var c *net.TCPConn
			if open {
				c = dialRaw(t, p.Addr())
				ping(t, c)
			}
			apply(t, p, "x", "timeout", map[string]any{"after": "40ms", "direction": direction})
			start := time.Now()
			if !open {
				c = dialRaw(t, p.Addr())
			}
			if got, err := readEnd(c); got != "" || err != io.EOF {
				t.Errorf("%s open %v: %q, %v", direction, open, got, err)
			}
			if took := time.Since(start); took < 35*time.Millisecond {
				t.Errorf("%s open %v: ended after %v", direction, open, took)
			}
		}
	}
}

// TestOneWayClientLeaves: nothing is kept for a client that has left.
func TestOneWayClientLeaves(t *testing.T) {
	for _, direction := range []string{"request", "response"} {
		heard := make(chan string, 8)
		p := startProxy(t, "tcp", startTCP(t, talk(heard)))
		a := apply(t, p, "x", "blackhole", map[string]any{"direction": direction})
		c := dialRaw(t, p.Addr())
		send(t, c, "one\n")
		eventually(t, "it hangs", func() bool { return a.Stats().Hit == 1 })
		c.Close()
		eventually(t, direction+" forgets a client that left", func() bool { return p.ActiveConns() == 0 })
	}
}

// TestOneWayHTTP: a request passes and its answer does not, until the fault is gone, or
// with a timeout the connection ends. With request the upstream is not asked.
func TestOneWayHTTP(t *testing.T) {
	asked := make(chan string, 8)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		fmt.Fprint(w, "fine")
	})
	p := startProxy(t, "http", upstream)
	client := newClient(t)
	a := apply(t, p, "x", "blackhole", map[string]any{"direction": "response"})
	answered := make(chan string, 1)
	go func() {
		resp, err := client.Get("http://" + p.Addr() + "/a")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	want(t, asked, "/a")
	select {
	case got := <-answered:
		t.Errorf("answered %q", got)
	case <-time.After(50 * time.Millisecond):
	}
	a.Remove()
	want(t, answered, "fine")
	for direction, reaches := range map[string]bool{"response": true, "request": false} {
		a := apply(t, p, direction, "timeout", map[string]any{"after": "40ms", "direction": direction})
		c := dialRaw(t, p.Addr())
		send(t, c, "GET /"+direction+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if got, err := readEnd(c); got != "" || err != io.EOF {
			t.Errorf("%s: %q, %v", direction, got, err)
		}
		if reaches {
			want(t, asked, "/"+direction)
		} else if len(asked) > 0 {
			t.Errorf("%s: the upstream was asked %q", direction, <-asked)
		}
		a.Remove()
	}
}

// TestOneWayBytes: limits, slices and the delay of an end are of one way if asked so.
func TestOneWayBytes(t *testing.T) {
	heard := make(chan string, 8)
	p := startProxy(t, "tcp", startTCP(t, func(c net.Conn) {
		all, _ := io.ReadAll(c)
		heard <- string(all)
	}))
	a := apply(t, p, "x", "limit_data", map[string]any{"bytes": 3, "direction": "request"})
	c := dialRaw(t, p.Addr())
	send(t, c, "hello")
	want(t, heard, "hel")
	if _, err := readEnd(c); err != io.EOF {
		t.Errorf("the client's end: %v", err)
	}
	a.Remove()

	p = startProxy(t, "tcp", startTCP(t, echo))
	apply(t, p, "s", "slicer", map[string]any{"average": 1, "delay": "20ms", "direction": "request"})
	apply(t, p, "c", "slow_close", map[string]any{"delay": "60ms", "direction": "response"})
	c = dialRaw(t, p.Addr())
	start := time.Now()
	send(t, c, "abc")
	readFull(t, c, "abc")
	if took := time.Since(start); took < 40*time.Millisecond {
		t.Errorf("three slices took %v", took)
	}
	start = time.Now()
	_ = c.CloseWrite()
	if _, err := readEnd(c); err != io.EOF {
		t.Errorf("the end: %v", err)
	}
	if took := time.Since(start); took < 55*time.Millisecond {
		t.Errorf("the end came after %v: it was not delayed", took)
	}
}
