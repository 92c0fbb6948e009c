package chaos

import (
	"errors"
	"fmt"
	"time"
)

func rewriteKind() Kind {
	return Kind{
		Name: "rewrite",
		Doc: "Changes the response, or the request before it goes on: status, header fields, body. " +
			"json_patch leaves a body over 1 MiB as it is, which is counted inapplicable.",
		Protocols: []string{"http", "graphql"},
		Params: []ParamSpec{
			{Name: "direction", Type: TypeString, Default: `"response"`, Choices: []string{"request", "response"},
				Doc: "what is changed"},
			{Name: "status", Type: TypeInt, Min: 200, Max: 599, Ramp: true, Default: "None", KeywordOnly: true,
				Doc: "the status of the response"},
			{Name: "headers", Type: TypeHeaders, Default: "{}", KeywordOnly: true,
				Doc: "header fields that are set; they replace those of the same name"},
			{Name: "remove_headers", Type: TypeStrings, Default: "[]", KeywordOnly: true,
				Doc: "names of header fields that are taken out"},
			{Name: "body", Type: TypeString, Default: "None", KeywordOnly: true,
				Doc: "another body, sent when the old one, of whatever length, has come to its end"},
			{Name: "json_patch", Type: TypeJSON, Default: "None", KeywordOnly: true,
				Doc: `operations on a JSON body (RFC 6902), such as [{"op": "replace", "path": "/price", "value": 0}]; another body stays as it is`},
		},
		check: checkRewrite,
	}
}

func checkRewrite(f *Fault) error {
	_, status := f.Value("status")
	_, body := f.get("body").(string)
	patch := f.JSON("json_patch")
	headers, removed := f.Headers("headers"), f.Strings("remove_headers")
	switch {
	case !status && !body && patch == nil && len(headers) == 0 && len(removed) == 0:
		return errors.New("changes nothing: needs status, headers, remove_headers, body or json_patch")
	case status && f.Text("direction") == "request":
		return errors.New("parameter status: a request has none; leave out direction = \"request\"")
	case body && patch != nil:
		return errors.New("has both body and json_patch; give one of them")
	}
	for _, name := range sortedKeys(headers) {
		if err := notFraming("headers", name); err != nil {
			return err
		}
	}
	for _, name := range removed {
		if !isHeaderName(name) {
			return fmt.Errorf("parameter remove_headers: %s is no header name", describe(name))
		}
		if err := notFraming("remove_headers", name); err != nil {
			return err
		}
	}
	if patch == nil {
		return nil
	}
	if _, err := parsePatch(patch); err != nil {
		return fmt.Errorf("parameter json_patch: %w", err)
	}
	return nil
}

// notFraming refuses the fields that say how a body is sent, which an engine sets: they
// would let one message pass for two.
func notFraming(param, name string) error {
	switch asciiUpper(name) {
	case "CONTENT-LENGTH", "TRANSFER-ENCODING", "CONNECTION", "TRAILER", "UPGRADE":
		return fmt.Errorf("parameter %s: %s is set by the proxy, which knows how the body is sent", param, name)
	}
	return nil
}

// Rewrite is a fault of kind rewrite made ready. It has no state.
type Rewrite struct {
	// Request says that the request is changed, else the response is.
	Request bool
	// Headers are fields to set, Remove names of fields to take out, in small letters.
	Headers map[string]string
	Remove  []string
	// Body is the other body, if HasBody.
	Body    string
	HasBody bool

	status    Value
	hasStatus bool
	patch     []patchOp
}

// NewRewrite makes f, which is valid, ready.
func NewRewrite(f *Fault) Rewrite {
	r := Rewrite{Request: f.Text("direction") == "request", Headers: f.Headers("headers")}
	for _, name := range f.Strings("remove_headers") {
		r.Remove = append(r.Remove, asciiLower(name))
	}
	r.Body, r.HasBody = f.get("body").(string)
	r.status, r.hasStatus = f.Value("status")
	if patch := f.JSON("json_patch"); patch != nil {
		r.patch, _ = parsePatch(patch) // checked when the fault was made
	}
	return r
}

// Status returns the status of the response; ok is false if it stays.
func (r *Rewrite) Status(elapsed time.Duration) (status int, ok bool) {
	return r.status.Int(elapsed), r.hasStatus
}

// Patches reports whether the body has to be read for Patch.
func (r *Rewrite) Patches() bool { return len(r.patch) > 0 }

// Patch returns a JSON body with the patch applied. An error says why it is not: the
// body is no JSON, or has not what the patch expects; then it should stay as it is.
func (r *Rewrite) Patch(body []byte) ([]byte, error) { return applyPatch(r.patch, body) }
