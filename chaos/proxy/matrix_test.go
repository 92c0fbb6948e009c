package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// sees is what clients see of a fault: one that had an idle connection and asks over it,
// one whose answer is on its way, half of it, and one that comes anew.
//
//	ok       the whole answer
//	held     nothing, until the fault is gone; then the whole answer
//	slow     the whole answer, later
//	changed  as much as the answer, but other bytes
//	errors   an answer of GraphQL with errors
//	reset    the connection is reset
//	eof      the connection ends before the answer does
//	stream   the stream is reset, and its connection goes on
//	refused  no connection
//	lost     nothing, not even when the fault is gone
//	tls      no handshake
//
// Others are the status that the client is told.
type sees struct{ idle, midway, fresh string }

// all is the same for all three, next for those who ask while the fault is on.
func all(what string) sees   { return sees{what, what, what} }
func next3(what string) sees { return sees{what, "ok", what} }

// openRow is a fault, and what clients see of it.
type openRow struct {
	kind string
	args map[string]any
	sees sees
	// but is what clients of some protocols see instead.
	but map[string]sees
}

// entering is for one who comes anew.
func entering(what string) sees { return sees{"ok", "ok", what} }

// slowly is by how much faults of the table slow answers down at least.
const slowly = 15 * time.Millisecond

// but1 is what clients of one protocol see instead.
func but1(protocol string, s sees) map[string]sees { return map[string]sees{protocol: s} }

// onStreams is for faults that end connections: of HTTP/2 they end streams.
func onStreams(s sees) map[string]sees {
	swap := func(what string) string {
		if what == "reset" || what == "eof" {
			return "stream"
		}
		return what
	}
	s = sees{swap(s.idle), swap(s.midway), swap(s.fresh)}
	return map[string]sees{"h2": s, "grpc": s}
}

func openRows() []openRow {
	type args = map[string]any
	var rows []openRow
	for open, what := range map[openConnections]string{openKeep: "ok", openFreeze: "held", openReset: "reset", openClose: "eof"} {
		for kind, fresh := range map[string]string{"blackhole": "held", "partition": "held", "refuse": "refused"} {
			s := sees{what, what, fresh}
			rows = append(rows, openRow{kind, args{"open_connections": string(open)}, s, onStreams(s)})
		}
		// Where not all are refused, those who are come to know after they have connected.
		s := sees{what, what, "reset"}
		but := onStreams(s)
		for name, s := range but {
			s.fresh = "reset"
			but[name] = s
		}
		rows = append(rows, openRow{"refuse", args{"open_connections": string(open), "match": args{"source": []any{"127.0.0.0/8"}}}, s, but})
	}
	return append(rows, []openRow{
		{"timeout", args{"after": "1ms"}, all("eof"), map[string]sees{
			"h2": all("stream"), "grpc": all("stream"), // one that comes anew does not get through its handshake:
			"h2 inside TLS": {"stream", "stream", "eof"}, "grpc inside TLS": {"stream", "stream", "eof"}}},
		{"timeout", args{"after": "1h"}, all("held"), nil},
		{"reset", nil, all("reset"), onStreams(all("reset"))},
		{"reset", args{"after": "1h"}, all("ok"), nil},
		{"max_connections", args{"n": 2}, sees{"ok", "ok", "reset"}, nil},
		{"max_connections", args{"n": 3}, all("ok"), nil},
		{"tls_fault", args{"kind": "expired"}, sees{"ok", "ok", "tls"}, nil},
		{"slow_close", args{"delay": "1h"}, all("ok"), nil},
		{"latency", args{"delay": "20ms"}, next3("slow"), but1("tcp", all("slow"))},
		{"bandwidth", args{"rate": 10_000}, all("slow"), nil},
		{"packet_loss", args{"percent": 100}, all("held"), nil},
		{"slicer", args{"average": 100, "delay": "10ms"}, all("slow"), nil},
		{"limit_data", args{"bytes": 200}, all("eof"), onStreams(all("eof"))},
		{"corrupt", args{"kind": "bit_flip"}, all("changed"), but1("ws", next3("changed"))},
		{"corrupt", args{"kind": "random_bytes"}, all("changed"), but1("ws", next3("changed"))},
		{"http_error", args{"codes": 503}, next3("503"), map[string]sees{"grpc": next3("grpc 14"), "ws": entering("503")}},
		{"connection_error", args{"kind": "http_503"}, next3("503"), map[string]sees{"grpc": next3("grpc 14"), "ws": {"close 1001", "ok", "503"}}},
		{"connection_error", args{"kind": "tcp_reset"}, next3("reset"), onStreams(next3("reset"))},
		{"connection_error", args{"kind": "tcp_close"}, next3("eof"), onStreams(next3("eof"))},
		{"partial_response", nil, next3("eof"), map[string]sees{"h2": next3("stream"), "grpc": next3("stream"), "ws": all("ok")}},
		{"rewrite", args{"status": 418}, next3("418"), but1("ws", all("ok"))},
		{"rate_limit", args{"rate": 0.001, "burst": 1}, entering("429"), but1("grpc", entering("grpc 8"))},
		{"circuit_breaker", nil, all("ok"), nil},
		{"bulkhead", args{"max_concurrent": 1, "queue": 0}, all("ok"), nil}, // those under way do not count
		{"grpc_error", args{"codes": "UNAVAILABLE"}, next3("grpc 14"), nil},
		{"grpc_abort", args{"after_messages": 1}, next3("grpc 14"), nil},
		{"ws_close", args{"codes": 1011}, next3("close 1011"), nil},
		{"ws_drop", nil, next3("lost"), nil},
		{"ws_corrupt", args{"kind": "bit_flip"}, next3("changed"), nil},
		{"ws_delay", args{"delay": "20ms"}, next3("slow"), nil},
		{"ws_duplicate", nil, all("ok"), nil},
		{"graphql_error", args{"codes": "A"}, next3("errors"), nil},
		{"graphql_partial", args{"fields": "a"}, next3("errors"), nil},
		{"graphql_slow_fields", args{"fields": "a", "delay": "20ms"}, next3("slow"), nil},
	}...)
}

// Every kind of fault, on every protocol, plain and inside TLS that is terminated: what
// those see who had a connection when it went on, and what one sees who comes anew; and
// that all have what they had once it is off. One proxy meets the whole table.
func TestFaultsOfOpenConnections(t *testing.T) {
	rows := openRows()
	for _, row := range effectRows() {
		if !slices.ContainsFunc(rows, func(r openRow) bool { return r.kind == row.kind }) {
			t.Errorf("kind %s is not in the table", row.kind)
		}
	}
	for _, p := range speakers() {
		for _, secure := range []bool{false, true} {
			name := p.name
			if secure {
				name += " inside TLS"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := new(gates)
				addr := p.start(t, g)
				s := &openTest{t: t, name: name, peer: &p, gates: g}
				if secure { // and the proxy has to find out what it is
					protocol := "auto"
					if p.name == "tcp" {
						protocol = "tcp"
					}
					q := startSecure(t, protocol, addr, TLS{Plain: true})
					s.proxy, s.tls = q.Proxy, &tls.Config{RootCAs: q.roots, ServerName: "shop.test"}
				} else {
					s.proxy = startProxy(t, p.declared, addr)
				}
				for i := range rows {
					s.meet(&rows[i])
				}
			})
		}
	}
}

// openTest is the table on one protocol.
type openTest struct {
	t     *testing.T
	name  string
	peer  *speaker
	gates *gates
	proxy *Proxy
	tls   *tls.Config
	n     int
}

func (s *openTest) dial() *client { return s.peer.dial(s.t.Context(), s.proxy.Addr(), s.tls) }

func (s *openTest) ask(c *client) *question { return put("all", func() *client { return c }) }

// meet puts the fault of a row on and looks.
func (s *openTest) meet(row *openRow) {
	want := row.sees
	for _, name := range []string{s.peer.name, s.name} {
		if but, ok := row.but[name]; ok {
			want = but
		}
	}
	fault := mustFault(s.t, row.kind, row.args)
	can := Can(row.kind, s.peer.declared) == nil
	if s.proxy.Supports(row.kind) != nil {
		if _, err := s.proxy.Apply(fault, "x", 7); err == nil {
			s.t.Errorf("%s is put on where it is not supported", &fault)
		}
		return
	}
	// What asks about another protocol passes, and says so. Other kinds act on a connection
	// of auto as on a request of HTTP, or on a stream.
	inert := !can && (strings.HasPrefix(row.kind, "grpc_") || strings.HasPrefix(row.kind, "ws_") || strings.HasPrefix(row.kind, "graphql_"))
	if inert {
		want = all("ok")
	}
	if s.n > 0 { // those of the row before are gone, so that they are not counted
		eventually(s.t, "nobody is left", func() bool { return s.proxy.ActiveConns() == 0 })
	}
	s.n++
	idle, mid := s.dial(), s.dial()
	var fresh *client
	defer func() {
		idle.close()
		mid.close()
		fresh.close()
	}()
	if how := s.ask(idle).answered(); how != "ok" {
		s.t.Fatalf("%s: before it a client sees %q", &fault, how)
	}
	word, open := s.gates.shut(s.n)
	defer open()
	midway := put(word, func() *client { return mid })
	select {
	case <-midway.half:
	case <-midway.done:
		s.t.Fatalf("%s: before it a client in the middle sees %q", &fault, midway.how)
	}
	before := s.proxy.Totals().Faulted.Count
	applied, err := s.proxy.Apply(fault, "x", 7)
	if err != nil {
		s.t.Fatal(err)
	}

	start := time.Now()
	asked := s.ask(idle)
	held := map[string]*question{}
	look := func(who string, q *question, want string) {
		if want == "held" || want == "lost" {
			held[who] = q
			return
		}
		how := q.answered()
		took := q.ended.Sub(start)
		if want == "slow" && how == "ok" && took >= slowly {
			how = "slow"
		}
		if how != want {
			s.t.Errorf("%s: a client %s sees %q after %v, want %q", &fault, who, how, took, want)
		}
	}
	look("with an idle connection", asked, want.idle)
	start = time.Now()
	open()
	look("in the middle", midway, want.midway)
	start = time.Now()
	anew := put("all", func() *client { fresh = s.dial(); return fresh })
	look("anew", anew, want.fresh)
	if len(held) > 0 {
		eventually(s.t, fmt.Sprintf("%s holds %d", &fault, len(held)), func() bool { return applied.Stats().Hit >= uint64(len(held)) })
		time.Sleep(slowly)
	}
	for who, q := range held {
		select {
		case <-q.done:
			s.t.Errorf("%s: a client %s sees %q, and is to wait", &fault, who, q.how)
		default:
		}
	}
	stats := applied.Remove()
	if want != all("ok") && stats.Hit == 0 && fault.Counted() || stats.Hit > stats.Seen || inert && (stats.Inapplicable == 0 || stats.Hit > 0) {
		s.t.Errorf("%s: %+v", &fault, stats)
	}
	s.after(&fault, row, want, idle, mid, anew, &fresh, held)
	s.counted(&fault, want, before, stats.Hit)
}

// counted looks how many requests are counted as faulted: all that a fault has done something
// to, those over open connections too, and none if it has hit nothing.
func (s *openTest) counted(fault fmt.Stringer, want sees, before, hit uint64) {
	if s.peer.name == "tcp" || s.peer.name == "ws" {
		return // has no requests, or none but the one that it begins with
	}
	var touched uint64
	if want.midway != "ok" {
		touched++
	}
	if !slices.Contains([]string{"ok", "reset", "eof"}, want.idle) { // a connection may end before the request is read
		touched++
	}
	faulted := func() uint64 { return s.proxy.Totals().Faulted.Count - before }
	eventually(s.t, fmt.Sprintf("%s: %d requests are counted as faulted", fault, touched), func() bool { return faulted() >= touched })
	if n := faulted(); hit == 0 && n > 0 {
		s.t.Errorf("%s: %d requests are counted as faulted, and it has hit none", fault, n)
	}
}

// after looks at what is there without the fault.
func (s *openTest) after(fault fmt.Stringer, row *openRow, want sees, idle, mid *client, anew *question, fresh **client, held map[string]*question) {
	for who, q := range held {
		if want.idle == "lost" {
			continue
		}
		if how := q.answered(); how != "ok" {
			s.t.Errorf("%s: after it a client %s sees %q", fault, who, how)
		}
	}
	lives := func(what string) bool {
		return !slices.Contains([]string{"reset", "eof", "lost", "refused", "tls"}, what) && !(s.peer.name == "ws" && what != "ok" && what != "held" && what != "slow" && what != "changed")
	}
	check := func(who string, c *client, was string) {
		if !lives(was) || row.kind == "ws_duplicate" {
			return
		}
		if how := s.ask(c).answered(); how != "ok" {
			s.t.Errorf("%s: after it a client %s, who saw %q, sees %q", fault, who, was, how)
		}
	}
	check("that was idle", idle, want.idle)
	check("that was in the middle", mid, want.midway)
	if lives(want.fresh) {
		<-anew.done
		check("that came meanwhile", *fresh, want.fresh)
	}
	(*fresh).close()
	last := s.dial()
	defer last.close()
	if how := s.ask(last).answered(); how != "ok" {
		s.t.Errorf("%s: after it a new client sees %q", fault, how)
	}
}

// Inside TLS too the end of a connection is held back, and what was said before is not.
func TestSlowCloseInsideTLS(t *testing.T) {
	const delay = 40 * time.Millisecond
	for _, test := range []struct {
		protocol, says string
		serve          func(net.Conn)
	}{
		{"tcp", "bye", func(c net.Conn) { _, _ = io.WriteString(c, "bye") }},
		{"http", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbye", func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbye")
			}
		}},
	} {
		p := startSecure(t, test.protocol, startTCP(t, test.serve), TLS{Plain: true})
		a := apply(t, p.Proxy, "x", "slow_close", map[string]any{"delay": delay.String()})
		start := time.Now() // earlier than the end that is held back
		c, err := p.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.protocol == "http" {
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		readFull(t, c, test.says)
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Errorf("%s: then came %q, %v", test.protocol, rest, err)
		}
		if took := time.Since(start); took < delay {
			t.Errorf("%s: the end came after %v", test.protocol, took)
		}
		if s := a.Stats(); s.Hit != 1 {
			t.Errorf("%s: %+v", test.protocol, s)
		}
	}
}
