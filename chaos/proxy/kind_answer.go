package proxy

import (
	"net/http"
	"strconv"

	"starquake/chaos"
)

// The kinds that answer in place of the upstream, or change what it answers.

func prepareHTTPError(f *chaos.Fault) acts {
	e := chaos.NewHTTPError(f)
	return acts{request: func(v *verdict, h *hit) bool {
		if v.answer.given() {
			return false // an older fault answers
		}
		code := e.Code(h.by.draws, h.n, h.elapsed)
		return code != 0 && v.give(h, answer{status: code, body: e.Body, headers: e.Headers})
	}}
}

func preparePartialResponse(f *chaos.Fault) acts {
	p := chaos.NewPartialResponse(f)
	return acts{request: func(v *verdict, h *hit) bool {
		v.cuts[toClient] = append(v.cuts[toClient], cut{h.by, p.Keep})
		return true
	}}
}

func prepareRewrite(f *chaos.Fault) acts {
	r := chaos.NewRewrite(f)
	way := toClient
	if r.Request {
		way = toUpstream
	}
	return acts{request: func(v *verdict, h *hit) bool {
		e := edit{by: h.by}
		status, hasStatus := r.Status(h.elapsed)
		empties := hasStatus && bodiless(status)
		head := way == toClient && string(h.req.Method) == "HEAD" // whose answer has no content
		e.head = func(m *message) {
			for _, name := range r.Remove {
				m.remove(name)
			}
			for name, value := range r.Headers {
				m.set(name, value)
			}
			if hasStatus && (head || !empties) {
				m.setStatus(status)
			}
			if head && (r.HasBody || empties) {
				rewriteUnsent(&r, m)
			}
		}
		if !head && (r.HasBody || r.Patches() || empties) {
			e.replaces = !r.Patches() || empties
			e.body = func(m *message) {
				if empties {
					m.setStatus(status) // only now, when the content can be left out
				}
				rewriteBody(&r, m)
			}
			e.missed = func() { h.by.inapplicable.Add(1) }
		}
		if r.Patches() && !r.Request {
			// What is packed could not be read.
			v.edits[toUpstream] = append(v.edits[toUpstream], edit{by: h.by, head: func(m *message) { m.remove("Accept-Encoding") }})
		}
		v.edits[way] = append(v.edits[way], e)
		return true
	}}
}

// bodiless reports whether responses with a status never have content.
func bodiless(status int) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

// rewriteBody changes the content of m. One that the patch does not fit stays.
func rewriteBody(r *chaos.Rewrite, m *message) {
	switch {
	case r.HasBody:
		m.body = []byte(r.Body)
		m.remove("Content-Encoding")
	case r.Patches() && !m.has("Content-Encoding"):
		if patched, err := r.Patch(m.body); err == nil {
			m.body = patched
		}
	}
}

// rewriteUnsent changes what the answer to a HEAD says of the content that a GET would get.
func rewriteUnsent(r *chaos.Rewrite, m *message) {
	m.removeFraming()
	if !bodiless(m.status()) {
		m.remove("Content-Encoding")
		m.set("Content-Length", strconv.Itoa(len(r.Body)))
	}
}
