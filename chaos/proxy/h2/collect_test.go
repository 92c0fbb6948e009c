package h2

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"starquake/chaos/proxy/h2/h2test"
)

// A request that is collected reaches the upstream as it was sent, trailers included,
// whatever the plan then says; its plan sees the whole body, unless that is too long.
func TestCollect(t *testing.T) {
	addr := h2test.StartHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Sum", r.Trailer.Get("Sum"))
		w.Write(body)
	})
	const limit = 200 << 10
	for name, late := range map[string]Plan{
		"nothing": {},
		"hold":    {Hold: [2]Hold{newAfter(2 * time.Millisecond), newAfter(2 * time.Millisecond)}},
		"head":    {Edit: [2]*Edit{{Head: func(f []Field) []Field { return f }}}},
		"whole":   {Edit: [2]*Edit{{Limit: 1 << 20, Whole: func(f []Field, b []byte) ([]Field, []byte) { return f, b }}}},
		"flow":    {Flow: [2]Flow{pieces{}}},
		"answer":  {Answer: &Answer{Fields: fields(503), Body: []byte("no")}},
		"reset":   {Reset: &Reset{Code: Cancel}},
	} {
		var saw []string
		relays := relayTo(t, addr, planner{request: func(req *Request, plan *Plan) {
			plan.Collect = &Collect{Limit: limit, Plan: func(body []byte, whole bool, plan *Plan) {
				saw = append(saw, fmt.Sprint(len(body) > limit, whole))
				plan.Hold, plan.Edit, plan.Flow, plan.Answer, plan.Reset = late.Hold, late.Edit, late.Flow, late.Answer, late.Reset
			}}
		}})
		client := h2test.NewHTTP2Client(t)
		sizes := []int{1, 70 << 10, limit, limit + 1, 3 * limit}
		for _, size := range sizes {
			body := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
			req, err := http.NewRequest("POST", "http://"+relays.addr, io.MultiReader(bytes.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Trailer = http.Header{"Sum": {"abc"}}
			resp, err := client.Do(req)
			if name == "reset" {
				if err == nil {
					t.Errorf("%d bytes: got %d, want a reset", size, resp.StatusCode)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, size, err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if name == "answer" {
				if resp.StatusCode != 503 || string(got) != "no" {
					t.Errorf("%d bytes: got %d %q", size, resp.StatusCode, got)
				}
				continue
			}
			if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, body) || resp.Header.Get("Sum") != "abc" {
				t.Errorf("%s: of %d bytes %d came back, %v, trailer %q", name, size, len(got), err, resp.Header.Get("Sum"))
			}
		}
		if want := "false true,false true,false true,true false,true false"; strings.Join(saw, ",") != want {
			t.Errorf("%s: the plans saw %v", name, saw)
		}
	}
}
