//go:build linux

package main

import (
	"context"
	"time"
)

// contests is the table of what is compared, and of what was asked for.
func contests() []contest {
	return []contest{
		{"tcp1", "TCP untouched, 1 stream", kindTCP, []string{"toxiproxy", "haproxy"}, iperf(1),
			[]bar{{[]string{"toxiproxy"}, 2.5, false}, {[]string{"haproxy"}, 1.2, false}}},
		{"tcp4", "TCP untouched, 4 streams", kindTCP, []string{"toxiproxy", "haproxy"}, iperf(4),
			[]bar{{[]string{"toxiproxy"}, 2.0, false}, {[]string{"haproxy"}, 1.1, false}}},
		{"http64", "HTTP/1.1, 100 rules, 64 connections", kindHTTP, []string{"toxiproxy", "nginx", "haproxy"}, wrk(64),
			[]bar{{[]string{"toxiproxy"}, 1.05, false}, {[]string{"nginx", "haproxy"}, 0.70, false}, {[]string{"toxiproxy"}, 1, true}}},
		{"http256", "HTTP/1.1, 100 rules, 256 connections", kindHTTP, []string{"toxiproxy", "nginx", "haproxy"}, wrk(256),
			[]bar{{[]string{"toxiproxy"}, 1.05, false}, {[]string{"nginx", "haproxy"}, 0.9, false}, {[]string{"toxiproxy"}, 1, true}}},
		{"connections", "new connections, HTTP/1.1, 100 rules", kindHTTP, []string{"toxiproxy"}, wrk(64, "-H", "Connection: close"),
			[]bar{{[]string{"toxiproxy"}, 1.8, false}}},
		{"grpc", "gRPC unary, 100 rules, 4 connections × 16", kindGRPC, []string{"haproxy", "nginx", "splice"}, calls,
			[]bar{{[]string{"haproxy"}, 1.3, false}, {[]string{"nginx"}, 2.2, false}, {[]string{"splice"}, 0.93, false}}},
		{"ws", "WebSocket echo, each frame looked at, 32 connections", kindWS, []string{"nginx"}, messages,
			[]bar{{[]string{"nginx"}, 0.9, false}}},
	}
}

// calls and messages are the loads of this program, each in a process of its own.
func calls(ctx context.Context, b *bench, addr string, span time.Duration) (sample, error) {
	return b.ownLoad(ctx, "grpc-load", addr, span)
}

func messages(ctx context.Context, b *bench, addr string, span time.Duration) (sample, error) {
	return b.ownLoad(ctx, "ws-load", addr, span)
}
