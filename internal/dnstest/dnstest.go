// Package dnstest answers for names in tests.
package dnstest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Start answers questions over UDP and TCP until the test ends, and gives the address.
func Start(t testing.TB, handler dns.HandlerFunc) string {
	t.Helper()
	udp, tcp := listen(t)
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: handler}, {Listener: tcp, Handler: handler}} {
		started, ended := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(ended); _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	}
	return udp.LocalAddr().String()
}

// listen takes a port that is free for both.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	var err error
	for range 20 {
		var udp net.PacketConn
		if udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			break
		}
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		_ = udp.Close() // the port is somebody's for TCP
	}
	t.Fatal(err)
	return nil, nil
}

// Resolve answers for names in place of the system's name servers, in this process, until the
// test ends: each name has the addresses that it resolves to one after the other, and then
// the last; others resolve to nothing. Tests that use it cannot be parallel.
func Resolve(t testing.TB, names map[string][]string) {
	t.Helper()
	var mu sync.Mutex
	left := map[string][]string{}
	for name, addrs := range names {
		left[dns.Fqdn(name)] = addrs
	}
	server := Start(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		mu.Lock()
		defer mu.Unlock()
		name := q.Question[0].Name
		addrs := left[name]
		kind := dns.TypeA
		if len(addrs) > 0 && strings.Contains(addrs[0], ":") {
			kind = dns.TypeAAAA
		}
		if len(addrs) > 0 && q.Question[0].Qtype == kind {
			rr, err := dns.NewRR(fmt.Sprintf("%s 0 IN %s %s", name, dns.TypeToString[kind], addrs[0]))
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, rr)
			if len(addrs) > 1 {
				left[name] = addrs[1:]
			}
		}
		_ = w.WriteMsg(m)
	})
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server)
	}}
	t.Cleanup(func() { net.DefaultResolver = before })
}

// Held are name servers that take their time.
type Held struct {
	// Asked has something once one is asked.
	Asked chan struct{}

	let  chan struct{}
	once sync.Once
}

// Hold has no name looked up, in this process, until Answer is called; they answer as handler
// does. It is called before whatever looks up is started, so that the machine's own come back
// after that has ended. Tests that use it cannot be parallel.
func Hold(t testing.TB, handler dns.HandlerFunc) *Held {
	t.Helper()
	h := NewHeld()
	system := net.DefaultResolver
	net.DefaultResolver = h.Resolver(Start(t, handler))
	t.Cleanup(func() { net.DefaultResolver = system })
	t.Cleanup(h.Answer)
	return h
}

// NewHeld makes some that no resolver asks yet.
func NewHeld() *Held { return &Held{Asked: make(chan struct{}, 1), let: make(chan struct{})} }

// Resolver asks them, of whom the one at an address answers.
func (h *Held) Resolver(server string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case h.Asked <- struct{}{}:
		default:
		}
		<-h.let                                    // however soon the machine's own settings would have it given up
		d := net.Dialer{Resolver: &net.Resolver{}} // not the one that another test may be putting back
		return d.DialContext(ctx, "udp", server)
	}}
}

// Answer lets them answer.
func (h *Held) Answer() { h.once.Do(func() { close(h.let) }) }
