package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

// page is what a browser gets that asks for the server itself.
const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Starquake</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem}</style></head>
<body><h1>Starquake</h1>
<p>This is the server of a chaos orchestrator. It is used through its API:</p>
<ul><li><a href="/api/v1/openapi.json">/api/v1/openapi.json</a>: all there is, as OpenAPI 3.1</li>
<li><a href="/api/v1/runs">/api/v1/runs</a>: the runs</li>
<li><a href="/api/v1/orchestrations">/api/v1/orchestrations</a>: the orchestrations</li>
<li><a href="/api/v1/targets">/api/v1/targets</a>: the targets</li>
<li><a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>: is it there, and does it take requests</li></ul>
</body></html>
`

// Health says that the server is there.
type Health struct {
	Status string `json:"status" enum:"ok,ready" doc:"ok: it is there; ready: it takes requests."`
}

type health struct{ Body Health }

// system are the routes that say how the server itself is. Health is open to all.
func (s *Server) system() {
	s.app.Get("/", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, "text/html; charset=utf-8")
		return c.SendString(page)
	})
	huma.Register(s.api, public(op("GET", "/healthz", "health", Viewer, "Is the server there?", "system")), func(context.Context, *struct{}) (*health, error) {
		return &health{Health{"ok"}}, nil
	})
	huma.Register(s.api, public(op("GET", "/readyz", "ready", Viewer, "Does the server take requests? Not before interrupted runs go on, nor when it ends, nor while it can keep no run, as where the disk is full; the detail says which, and help what to do.", "system")), func(context.Context, *struct{}) (*health, error) {
		if !s.runs.ready() {
			return nil, problemf(503, "not_ready", "the server does not take requests now")
		}
		if err := s.runs.keeps(); err != nil {
			return nil, err
		}
		return &health{Health{"ready"}}, nil
	})
	type whoami struct{ Body Who }
	huma.Register(s.api, op("GET", "/api/v1/whoami", "whoami", Viewer, "Who am I, and what may I do?", "system"), func(ctx context.Context, _ *struct{}) (*whoami, error) {
		return &whoami{whoOf(ctx)}, nil
	})
}

// public opens an operation to everybody.
func public(o huma.Operation) huma.Operation {
	o.Metadata[needs] = everybody
	return o
}
