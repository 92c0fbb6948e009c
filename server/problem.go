package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/gofiber/fiber/v2"

	"starquake/app"
	"starquake/chaos/admin"
	"starquake/dsl"
	"starquake/server/auth"
	"starquake/store"
)

// Problem is an error as clients get it.
type Problem struct {
	Status int    `json:"status" doc:"The HTTP status code."`
	Title  string `json:"title" doc:"The words of the status code."`
	// Code is stable.
	Code   string `json:"code" doc:"A stable name of what is wrong, for programs." example:"run_not_found"`
	Detail string `json:"detail" doc:"What is wrong, for people."`
	Place
	// retry is after how long it may be tried again; 0 if that is not known.
	retry time.Duration
	// Errors are all that is wrong; the first has its place above too.
	Errors []Finding `json:"errors,omitempty" doc:"Everything that is wrong, where there is more to say."`
}

// Place is where in a script, a file or a request something is wrong.
type Place struct {
	File   string `json:"file,omitempty" doc:"The file or module."`
	Line   int    `json:"line,omitempty" doc:"The line, from 1."`
	Column int    `json:"column,omitempty" doc:"The column, from 1, in characters."`
	Source string `json:"source,omitempty" doc:"The line itself."`
	Help   string `json:"help,omitempty" doc:"What to do."`
}

// Finding is one thing that is wrong, or to be warned of.
type Finding struct {
	Severity string `json:"severity" enum:"error,warning,hint" doc:"How grave it is."`
	Code     string `json:"code" doc:"A stable name of the rule."`
	Message  string `json:"message" doc:"What was found, and what was expected."`
	// Location is where in the request it is, such as body.params.
	Location string `json:"location,omitempty" doc:"Where in the request."`
	Place
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// codeInternal is the code of what nobody has foreseen.
const codeInternal = "internal_error"

// codeRunEnded is the code of what can only be asked of a run that has not ended.
const codeRunEnded = "run_ended"

func problemf(status int, code, format string, args ...any) *Problem {
	return &Problem{Status: status, Title: http.StatusText(status), Code: code, Detail: fmt.Sprintf(format, args...)}
}

// asProblem is an error as clients get it.
func asProblem(err error) *Problem {
	var p *Problem
	var f *admin.Failure
	var refused app.Refusal
	var left app.LeftOn
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case refusal(err) != nil:
		return refusal(err)
	case errors.As(err, &f):
		return problemf(f.Status, f.Code, "%s", f.Message)
	case errors.As(err, &refused):
		return problemf(409, "refused", "%s", refused)
	case errors.As(err, &left):
		return problemf(409, "unclean", "%s", left)
	case errors.Is(err, store.ErrNoDocument):
		return problemf(404, "not_found", "%v", err)
	case errors.Is(err, store.ErrChanged), errors.Is(err, store.ErrThere):
		return problemf(412, "changed", "%v", err)
	case errors.Is(err, store.ErrNoRoom):
		p = problemf(503, "no_room", "%v", err)
		p.Help = makeRoom
		return p
	}
	return problemf(500, codeInternal, "%v", err)
}

// makeRoom is what to do where the disk is full.
const makeRoom = "make room in the data folder's file system, as with starquake runs prune; the server goes on by itself then"

// diagnosed is the problem of a script or file that is wrong.
func diagnosed(status int, diags dsl.Diagnostics, source func(string) []byte) *Problem {
	p := problemf(status, "invalid_orchestration", "the orchestration is wrong")
	p.Errors = findings(diags, source)
	for _, f := range p.Errors {
		if f.Severity == "error" {
			p.Code, p.Detail, p.Place = f.Code, f.Message, f.Place
			break
		}
	}
	return p
}

// maxFindings bounds what is said of one text: nobody reads more.
const maxFindings = 100

// findings are diagnostics as clients get them.
func findings(diags dsl.Diagnostics, source func(string) []byte) []Finding {
	out := []Finding{}
	for _, d := range diags[:min(len(diags), maxFindings)] {
		out = append(out, Finding{
			Severity: fmt.Sprint(d.Severity), Code: d.Code, Message: d.Message,
			Place: Place{File: d.File, Line: d.Line, Column: d.Col, Source: lineOf(source(d.File), d.Line), Help: d.Help},
		})
	}
	return out
}

// maxLine bounds a line that is shown, in bytes.
const maxLine = 500

// lineOf gives a line of a text, counted from 1.
func lineOf(text []byte, line int) string {
	if line < 1 {
		return ""
	}
	for n := range strings.Lines(string(text)) {
		if line--; line == 0 {
			n = strings.TrimRight(n, "\r\n")
			return strings.ToValidUTF8(n[:min(len(n), maxLine)], "�")
		}
	}
	return ""
}

// problems is a transformer of package huma: what it says of requests gets a code, and the
// status 400 where it means that the request is wrong.
func (s *Server) problems(ctx huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*Problem); ok {
		if p.Status == http.StatusNotModified { // which has no body
			ctx.SetHeader("Content-Type", "")
		}
		p.headers(ctx.SetHeader)
		fiberOf(ctx).Locals(codeKey, p.Code)
	}
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problemf(e.Status, codeOf(e.Status), "%s", e.Detail)
	if e.Status == http.StatusUnprocessableEntity {
		p = problemf(http.StatusBadRequest, "invalid_request", "%s", e.Detail)
		humafiber.Unwrap(ctx).Locals(wrongRequest, true)
	}
	fiberOf(ctx).Locals(codeKey, p.Code) // for the logs
	for _, d := range e.Errors {
		if d.Message == validation.MsgExpectedMatchExactlyOneSchema { // which only a Seed has
			d.Message = seedExpected
		}
		f := Finding{Severity: "error", Code: p.Code, Message: d.Message, Location: d.Location}
		if d.Message == validation.MsgUnexpectedProperty {
			f.Help = s.meantProperty(ctx.Operation(), d.Location)
		}
		p.Help = cmp.Or(p.Help, f.Help)
		p.Errors = append(p.Errors, f)
	}
	if n := len(e.Errors); n > 0 {
		p.Detail += ": " + strings.TrimPrefix(e.Errors[0].Location+": ", ": ") + e.Errors[0].Message
		if n > 1 {
			p.Detail += fmt.Sprintf("; and %d more, which errors has", n-1)
		}
	}
	if e.Status == http.StatusUnsupportedMediaType {
		p.Detail += "; the body is to be JSON that says so: send -H 'Content-Type: application/json'"
	}
	if e.Status == http.StatusUnsupportedMediaType || e.Status == http.StatusBadRequest && strings.Contains(p.Detail, notJSON) {
		if body := s.bodySchema(ctx.Operation()); body != nil && body.Properties["content"] != nil {
			p.Help = wrapIt
		}
	}
	return p, nil
}

// fiberOf is the request as package fiber has it.
func fiberOf(ctx huma.Context) *fiber.Ctx { return humafiber.Unwrap(ctx) }

// wrongRequest marks a response whose status is to be 400 instead of 422, which package
// huma has for it.
const wrongRequest = "wrong request"

// statusOf is the status that is answered.
func statusOf(c *fiber.Ctx) int {
	status := c.Response().StatusCode()
	if c.Locals(wrongRequest) != nil && status == http.StatusUnprocessableEntity {
		return http.StatusBadRequest
	}
	return status
}

// codeOf is the code of what goes wrong before a request is looked into.
func codeOf(status int) string {
	code, ok := map[int]string{
		400: "bad_request", 404: "not_found", 405: "method_not_allowed", 406: "not_acceptable", 408: "too_slow",
		413: "too_large", 415: "unsupported_media_type", 431: "headers_too_large",
	}[status]
	if !ok {
		return codeInternal
	}
	return code
}

// headers sets those that an answer with the problem has besides: how to be let in, and when to
// come again.
func (p *Problem) headers(set func(name, value string)) {
	if p.Status == http.StatusUnauthorized {
		set("WWW-Authenticate", "Bearer")
	}
	if p.retry > 0 {
		set("Retry-After", strconv.Itoa(auth.RetryAfter(p.retry)))
	}
}

// write answers with a problem.
func (s *Server) write(ctx huma.Context, p *Problem) {
	fiberOf(ctx).Locals(codeKey, p.Code)
	p.headers(ctx.SetHeader)
	ctx.SetHeader("Content-Type", problemType)
	ctx.SetStatus(p.Status)
	_ = json.NewEncoder(ctx.BodyWriter()).Encode(p) // into memory
}

// failed is fiber's error handler: what went wrong outside any operation.
func (s *Server) failed(c *fiber.Ctx, err error) error {
	var p *Problem
	var f *fiber.Error
	switch {
	case errors.As(err, &p):
	case errors.As(err, &f):
		p = problemf(f.Code, codeOf(f.Code), "%s", f.Message)
		if f.Code == http.StatusRequestEntityTooLarge {
			p.Detail = fmt.Sprintf("the body is longer than %d bytes", s.app.Config().BodyLimit)
			p = cmp.Or(s.stranger(c), p)
		}
	default:
		p = problemf(500, codeInternal, "%v", err)
	}
	if p.Status >= 500 {
		s.logger.Error("a request failed", "method", c.Method(), "path", c.Path(), "error", err)
	}
	c.Locals(codeKey, p.Code)
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	p.headers(c.Set)
	c.Set(fiber.HeaderContentType, problemType)
	return c.Status(p.Status).Send(body)
}
