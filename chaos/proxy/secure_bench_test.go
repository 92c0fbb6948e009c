//go:build unix

package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkSecure is one request of HTTP/1.1 with a small body on a connection that stays,
// and the CPU time of all of it. What a proxy takes is its row less the row called direct.
//
//	go test ./chaos/proxy -run '^$' -bench Secure
func BenchmarkSecure(b *testing.B) {
	authority, roots := newAuthority(b, "upstream CA")
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 129\r\n\r\n" + strings.Repeat("a", 129))
	request := []byte("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
	serve := func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
	plain := startTCP(b, serve)
	secure := startTCP(b, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*mint(b, authority, "shop.test")}})
		serve(s)
	})
	client := &tls.Config{ServerName: "shop.test", RootCAs: roots}
	dial := func(b *testing.B, addr string, config *tls.Config) net.Conn {
		c := net.Conn(dialRaw(b, addr))
		_ = c.SetDeadline(time.Time{})
		if config != nil {
			c = tls.Client(c, config)
		}
		return c
	}
	for _, row := range []struct {
		name string
		dial func(b *testing.B) net.Conn
	}{
		{"plain direct", func(b *testing.B) net.Conn { return dial(b, plain, nil) }},
		{"plain through", func(b *testing.B) net.Conn { return dial(b, startProxy(b, "auto", plain).Addr(), nil) }},
		{"TLS direct", func(b *testing.B) net.Conn { return dial(b, secure, client) }},
		{"TLS passed through", func(b *testing.B) net.Conn { return dial(b, startProxy(b, "auto", secure).Addr(), client) }},
		{"TLS terminated", func(b *testing.B) net.Conn {
			p := startSecure(b, "auto", secure, TLS{Roots: roots})
			return dial(b, p.Addr(), &tls.Config{ServerName: "shop.test", RootCAs: p.roots})
		}},
	} {
		b.Run(row.name, func(b *testing.B) {
			c := row.dial(b)
			got := make([]byte, len(answer))
			turn := func() {
				if _, err := c.Write(request); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, got); err != nil {
					b.Fatal(err)
				}
			}
			turn()
			before := cpuTime(b)
			for b.Loop() {
				turn()
			}
			b.ReportMetric(float64(cpuTime(b)-before)/1000/float64(b.N), "cpu-µs/op")
			c.Close()
		})
	}
}

// cpuTime is that of this process.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHandshake is a new connection whose TLS is terminated, and encrypted again.
func BenchmarkHandshake(b *testing.B) {
	authority, roots := newAuthority(b, "upstream CA")
	config := &tls.Config{Certificates: []tls.Certificate{*mint(b, authority, "shop.test")}}
	upstream := startTCP(b, func(c net.Conn) { _ = tls.Server(c, config).Handshake() })
	p := startSecure(b, "auto", upstream, TLS{Roots: roots})
	for name, addr := range map[string]string{"direct": upstream, "terminated": p.Addr()} {
		b.Run(name, func(b *testing.B) {
			before := cpuTime(b)
			for b.Loop() {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					b.Fatal(err)
				}
				pool := roots
				if addr == p.Addr() {
					pool = p.roots
				}
				if err := tls.Client(c, &tls.Config{ServerName: "shop.test", RootCAs: pool}).Handshake(); err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
			b.ReportMetric(float64(cpuTime(b)-before)/1000/float64(b.N), "cpu-µs/op")
		})
	}
}
