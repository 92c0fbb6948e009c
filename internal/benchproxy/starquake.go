//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"starquake/chaos"
	"starquake/internal/freeport"
)

// plane is a `starquake proxy`.
type plane struct {
	*server
	api      string
	upstream string // of one that exactPlane made
}

// startPlane starts one, of a program.
func (b *bench) startPlane(ctx context.Context, name, program string) (*plane, error) {
	addr, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	s, err := b.start(ctx, name, []string{program, "proxy", "--admin", addr, "--log-level", "error"}, addr)
	if err != nil {
		return nil, err
	}
	return &plane{server: s, api: "http://" + addr}, nil
}

// open opens a target and returns where it listens.
func (p *plane) open(ctx context.Context, name, protocol, upstream string) (addr string, err error) {
	var made struct{ Listen string }
	err = p.call(ctx, http.MethodPut, "/v1/targets/"+name,
		map[string]any{"listen": "127.0.0.1:0", "upstream": upstream, "protocol": protocol}, &made)
	return made.Listen, err
}

// put puts a fault on a target. Its lease is longer than any measurement.
func (p *plane) put(ctx context.Context, target, id, seed string, fault map[string]any) error {
	return p.call(ctx, http.MethodPut, "/v1/targets/"+target+"/faults/"+id,
		map[string]any{"fault": fault, "seed": seed, "ttl": "2h"}, nil)
}

// takeOff takes a fault off, and gives what it has done.
func (p *plane) takeOff(ctx context.Context, target, id string) (chaos.Stats, error) {
	var gone struct{ Stats chaos.Stats }
	err := p.call(ctx, http.MethodDelete, "/v1/targets/"+target+"/faults/"+id, nil, &gone)
	return gone.Stats, err
}

func (p *plane) call(ctx context.Context, method, path string, in, out any) error {
	return callJSON(ctx, method, p.api+path, in, out)
}

// callJSON calls an API. out may be nil.
func callJSON(ctx context.Context, method, url string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// ruleCount is how many faults are on where a row speaks of rules.
const ruleCount = 100

// rules puts faults of a kind on a target that match in the ways people write, and
// none of what is sent here.
func (p *plane) rules(ctx context.Context, target string, fault map[string]any) error {
	matches := []func(n int) map[string]any{
		func(n int) map[string]any { return map[string]any{"path": fmt.Sprintf("/shop/v%d/**", n)} },
		func(n int) map[string]any { return map[string]any{"path": fmt.Sprintf("/shop/*/orders/%d", n)} },
		func(n int) map[string]any {
			return map[string]any{"method": []string{"POST", "PUT"}, "path": fmt.Sprintf("/cart/%d", n)}
		},
		func(n int) map[string]any {
			return map[string]any{"headers": map[string]any{"x-tenant": fmt.Sprintf("t%d", n)}}
		},
		func(n int) map[string]any { return map[string]any{"host": fmt.Sprintf("api%d.example.com", n)} },
	}
	for n := range ruleCount {
		fault["match"] = matches[n%len(matches)](n)
		if err := p.put(ctx, target, fmt.Sprint("rule", n), "1", fault); err != nil {
			return err
		}
	}
	return nil
}
