//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"starquake/internal/freeport"
)

// The kinds of work, by their upstreams.
const (
	kindTCP  = "tcp"
	kindHTTP = "http"
	kindGRPC = "grpc"
	kindWS   = "ws"
)

// peer is a proxy that is measured: it has a listener for each kind of work that it does.
type peer struct {
	*server
	addrs   map[string]string // by kind
	missing string            // why it is not there
}

// peerRow says how a peer is started, in front of the upstreams.
type peerRow struct {
	name    string
	program string // that it needs, "" for none
	start   func(ctx context.Context, b *bench, program string) (*peer, error)
}

func peerRows() []peerRow {
	return []peerRow{
		{us, "", func(ctx context.Context, b *bench, _ string) (*peer, error) {
			return startStarquake(ctx, b, us, b.starquake)
		}},
		{"base", "", func(ctx context.Context, b *bench, _ string) (*peer, error) {
			return startStarquake(ctx, b, "base", b.base)
		}},
		{"toxiproxy", "", startToxiproxy},
		{"nginx", "nginx", startNginx},
		{"haproxy", "haproxy", startHAProxy},
		{"splice", "", startSplice},
	}
}

// find returns where a program is. Daemons are not on everybody's path.
func find(program string) (string, error) {
	if program == "" {
		return "", nil
	}
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

// peer returns a peer, started when it is first asked for.
func (b *bench) peer(ctx context.Context, name string) (*peer, error) {
	if p := b.peers[name]; p != nil {
		return p, nil
	}
	if err := b.startUpstreams(ctx); err != nil {
		return nil, err
	}
	for _, row := range peerRows() {
		if row.name != name {
			continue
		}
		program, err := find(row.program)
		if err != nil {
			b.peers[name] = &peer{missing: row.program + " is not installed"}
			return b.peers[name], nil
		}
		p, err := row.start(ctx, b, program)
		if err != nil {
			return nil, err
		}
		b.peers[name] = p
		return p, nil
	}
	return nil, fmt.Errorf("peer %q is unknown", name)
}

// startUpstreams starts one upstream for each kind of work. That of HTTP is nginx, or
// one of ours where that is not installed; that of TCP is iperf3, likewise.
func (b *bench) startUpstreams(ctx context.Context) error {
	if len(b.upstreams) > 0 {
		return nil
	}
	addrs, err := freeAddrs(4)
	if err != nil {
		return err
	}
	commands := map[string][]string{
		kindTCP:  {b.self, "discard", addrs[0]},
		kindHTTP: {b.self, "answer", addrs[1]},
		kindGRPC: {b.self, "grpc", addrs[2]},
		kindWS:   {b.self, "ws", addrs[3]},
	}
	if iperf3, err := find("iperf3"); err == nil {
		commands[kindTCP] = []string{iperf3, "-s", "-B", "127.0.0.1", "-p", port(addrs[0])}
	}
	if nginx, err := find("nginx"); err == nil {
		server := fmt.Sprintf("server { listen %s backlog=4096; location / { return 200 %q; } }", addrs[1], strings.Repeat("x", 128)+"\n")
		if commands[kindHTTP], err = b.nginx(nginx, "upstream-nginx", server); err != nil {
			return err
		}
	}
	for i, kind := range []string{kindTCP, kindHTTP, kindGRPC, kindWS} {
		if _, err := b.start(ctx, "upstream-"+kind, commands[kind], addrs[i]); err != nil {
			return err
		}
		b.upstreams[kind] = addrs[i]
	}
	return nil
}

func startStarquake(ctx context.Context, b *bench, name, program string) (*peer, error) {
	plane, err := b.startPlane(ctx, name, program)
	if err != nil {
		return nil, err
	}
	p := &peer{server: plane.server, addrs: map[string]string{}}
	for _, kind := range []string{kindTCP, kindHTTP, kindGRPC, kindWS} {
		if p.addrs[kind], err = plane.open(ctx, kind, kind, b.upstreams[kind]); err != nil {
			return nil, err
		}
	}
	if err := plane.rules(ctx, kindHTTP, map[string]any{"kind": "http_error", "params": map[string]any{"codes": []int{503}}}); err != nil {
		return nil, err
	}
	if err := plane.rules(ctx, kindGRPC, map[string]any{"kind": "grpc_error", "params": map[string]any{"codes": []string{"UNAVAILABLE"}}}); err != nil {
		return nil, err
	}
	// A fault that meets every message and hits none: each frame is looked at.
	return p, plane.put(ctx, kindWS, "drop", "1", map[string]any{"kind": "ws_drop", "probability": 0})
}

func startToxiproxy(ctx context.Context, b *bench, _ string) (*peer, error) {
	// The tool of go.mod: it is built into Go's cache.
	path, err := command(ctx, buildTime, "go", "tool", "-n", "github.com/Shopify/toxiproxy/v2/cmd/server")
	if err != nil {
		return nil, err
	}
	addr, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	s, err := b.start(ctx, "toxiproxy", []string{"env", "LOG_LEVEL=fatal", strings.TrimSpace(path), "-host", "127.0.0.1", "-port", port(addr)}, addr)
	if err != nil {
		return nil, err
	}
	p := &peer{server: s, addrs: map[string]string{}}
	for kind, upstream := range b.upstreams {
		var made struct{ Listen string }
		err := callJSON(ctx, http.MethodPost, "http://"+addr+"/proxies",
			map[string]any{"name": kind, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true}, &made)
		if err != nil {
			return nil, err
		}
		p.addrs[kind] = made.Listen
	}
	return p, nil
}

// startSplice starts the least that a proxy can do, in front of the gRPC upstream.
func startSplice(ctx context.Context, b *bench, _ string) (*peer, error) {
	s, addr, err := b.splice(ctx, "splice", b.upstreams[kindGRPC])
	if err != nil {
		return nil, err
	}
	return &peer{server: s, addrs: map[string]string{kindGRPC: addr}}, nil
}

// splice starts what copies without a look at it, and lets the kernel do that.
func (b *bench) splice(ctx context.Context, name, upstream string) (s *server, addr string, err error) {
	if addr, err = freeport.Address(); err == nil {
		s, err = b.start(ctx, name, []string{b.self, "splice", addr, upstream}, addr)
	}
	return s, addr, err
}

// nginx writes a configuration with these servers and returns the command.
func (b *bench) nginx(program, name, servers string) ([]string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	paths := ""
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		paths += fmt.Sprintf("  %s_temp_path %s/%s;\n", what, dir, what)
	}
	text := fmt.Sprintf(`daemon off;
worker_processes 2;
worker_rlimit_nofile 16384;
pid %[1]s/pid;
error_log %[1]s/error.log error;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
%[2]s%[3]s
}
`, dir, paths, servers)
	conf := filepath.Join(dir, "nginx.conf")
	return []string{program, "-c", conf, "-p", dir, "-e", dir + "/error.log"}, os.WriteFile(conf, []byte(text), 0o644)
}

func startNginx(ctx context.Context, b *bench, program string) (*peer, error) {
	addrs, err := freeAddrs(3)
	if err != nil {
		return nil, err
	}
	up := b.upstreams
	command, err := b.nginx(program, "nginx", fmt.Sprintf(`
  upstream http { server %s; keepalive 512; keepalive_requests 1000000000; }
  upstream grpc { server %s; keepalive 512; keepalive_requests 1000000000; }
  server { listen %s backlog=4096; location / { proxy_pass http://http; proxy_http_version 1.1; proxy_set_header Connection ""; } }
  server { listen %s http2; location / { grpc_pass grpc://grpc; } }
  server { listen %s; location / { proxy_pass http://%s; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_set_header Host $host; } }`,
		up[kindHTTP], up[kindGRPC], addrs[0], addrs[1], addrs[2], up[kindWS]))
	if err != nil {
		return nil, err
	}
	s, err := b.start(ctx, "nginx", command, addrs...)
	if err != nil {
		return nil, err
	}
	return &peer{server: s, addrs: map[string]string{kindHTTP: addrs[0], kindGRPC: addrs[1], kindWS: addrs[2]}}, nil
}

func startHAProxy(ctx context.Context, b *bench, program string) (*peer, error) {
	addrs, err := freeAddrs(4)
	if err != nil {
		return nil, err
	}
	up := b.upstreams
	text := fmt.Sprintf(`global
  maxconn 4000
  nbthread 2
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen tcp
  mode tcp
  option splice-auto
  bind %s
  server s %s
listen http
  mode http
  http-reuse always
  bind %s
  server s %s
listen grpc
  mode http
  bind %s proto h2
  server s %s proto h2
listen ws
  mode http
  timeout tunnel 1h
  bind %s
  server s %s
`, addrs[0], up[kindTCP], addrs[1], up[kindHTTP], addrs[2], up[kindGRPC], addrs[3], up[kindWS])
	conf := filepath.Join(b.dir, "haproxy.cfg")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	s, err := b.start(ctx, "haproxy", []string{program, "-db", "-f", conf}, addrs...)
	if err != nil {
		return nil, err
	}
	return &peer{server: s, addrs: map[string]string{kindTCP: addrs[0], kindHTTP: addrs[1], kindGRPC: addrs[2], kindWS: addrs[3]}}, nil
}
