package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starquake/chaos/proxy/h2/h2test"
)

// Over HTTP/2 as over HTTP/1 the lowest of all that cuts an answer holds, one that is changed
// too, and a limit that is not reached lets all of it pass. The fault that cuts counts what it
// has dropped.
func TestHTTP2CutsCompose(t *testing.T) {
	upstream := h2test.StartHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	})
	type row struct {
		kind string
		args map[string]any
	}
	limit := func(n int) row { return row{"limit_data", map[string]any{"bytes": n}} }
	half := row{"partial_response", map[string]any{"fraction": 0.5}}
	other := row{"rewrite", map[string]any{"body": strings.Repeat("y", 800)}}
	for _, test := range []struct {
		faults  []row
		got     int
		whole   bool
		dropped []uint64
	}{
		{[]row{limit(600)}, 600, false, []uint64{400}},
		{[]row{limit(600), limit(400)}, 400, false, []uint64{0, 600}},
		{[]row{half}, 500, false, []uint64{500}},
		{[]row{half, limit(400)}, 400, false, []uint64{0, 600}},
		{[]row{limit(900), half}, 500, false, []uint64{0, 500}},
		{[]row{other, limit(400)}, 400, false, []uint64{0, 400}},
		{[]row{other, limit(801)}, 800, true, []uint64{0, 0}},
		{[]row{other, half, limit(300)}, 300, false, []uint64{0, 0, 500}},
		{[]row{other, half, limit(5000)}, 400, false, []uint64{0, 400, 0}},
	} {
		p := startProxy(t, "auto", upstream)
		client := oneConnection(t, h2test.NewHTTP2Client(t), "http", p.Addr())
		var faults []*Applied
		var name string
		for i, f := range test.faults {
			faults = append(faults, apply(t, p, fmt.Sprint(i), f.kind, f.args))
			name += f.kind + " "
		}
		resp, err := client.Get("http://" + p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if len(body) != test.got || (err == nil) != test.whole {
			t.Errorf("%s: %d bytes and %v, want %d, all of it: %v", name, len(body), err, test.got, test.whole)
		}
		for i, a := range faults {
			if s := a.Remove(); s.Hit != 1 || s.Dropped != test.dropped[i] {
				t.Errorf("%s: %s has %+v, want one hit and %d dropped", name, a.fault.Kind, s, test.dropped[i])
			}
		}
		if status, body := get(t, client, "http://"+p.Addr()); status != 200 || len(body) != 1000 {
			t.Errorf("%s: without the faults %d with %d bytes", name, status, len(body))
		}
	}
}

// Of several aborts the one that comes first ends the call, whichever is the older.
func TestGRPCAbortsCompose(t *testing.T) {
	p, c, ctx := startGRPCProxy(t, "auto", &h2test.Service{})
	apply(t, p, "late", "grpc_abort", map[string]any{"after_messages": 2, "code": "ABORTED"})
	soon := apply(t, p, "soon", "grpc_abort", map[string]any{"after_messages": 1, "code": "DATA_LOSS"})
	if _, err := h2test.Unary(ctx, c, "hello"); status.Code(err) != codes.DataLoss {
		t.Errorf("got %v, want DataLoss after the first message", err)
	}
	soon.Remove()
	if _, err := h2test.Unary(ctx, c, "hello"); err != nil {
		t.Errorf("got %v: a unary call has no second message", err)
	}
}
