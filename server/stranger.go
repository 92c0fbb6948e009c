package server

import (
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"starquake/server/audit"
)

// strangerBody is the longest body that is read of somebody who is not let in. A request is
// in memory before anything looks at it: with thousands of connections, each with as long a body as
// may be sent, whoever reaches the server's port could take all of the machine's memory.
const strangerBody = 16 << 10

// received bounds the body of a request by its head.
func (s *Server) received(head *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if n := head.ContentLength(); n >= 0 && n <= strangerBody || s.gate.Known(s.ctx, string(head.Peek(fiber.HeaderAuthorization)), time.Now()) {
		return fasthttp.RequestConfig{} // as long as the server's limit
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: strangerBody}
}

// stranger is the answer to a body that was not read for that reason, nil for one that is too
// long for anybody.
func (s *Server) stranger(c *fiber.Ctx) *Problem {
	from := hostOf(c.Context().RemoteAddr().String())
	_, err := s.gate.Identify(s.ctx, c.Get(fiber.HeaderAuthorization), from, time.Now())
	p := refusal(err)
	if p == nil {
		return nil
	}
	s.note(&audit.Entry{From: from, What: "body", On: c.Path(), Status: p.Status, Code: p.Code, Request: requestID(c)}, false)
	return p
}
