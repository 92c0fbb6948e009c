package h2

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"starquake/chaos/proxy/h2/h2test"
)

// echo answers with what it gets, and with a trailer.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/hints" {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
	}
	if r.URL.Path == "/sized" {
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	w.Header().Set("Trailer", "Sum")
	w.Header().Set("Big", strings.Repeat("b", 40_000)) // a header of several frames
	h := sha256.New()
	io.Copy(w, io.TeeReader(r.Body, h))
	w.Header().Set("Sum", fmt.Sprintf("%x", h.Sum(nil)))
}

func TestHTTP(t *testing.T) {
	for _, mode := range []string{"untouched", "encoded"} {
		t.Run(mode, func(t *testing.T) {
			client := h2test.NewHTTP2Client(t)
			relays := relayTo(t, h2test.StartHTTP2(t, echo), planner{request: func(req *Request, plan *Plan) {
				if mode == "encoded" {
					plan.Hold = [2]Hold{newAfter(100 * time.Microsecond), newAfter(100 * time.Microsecond)}
				}
			}})
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for _, size := range []int{0, 1, 1000, 100_000, 3 << 20} {
						body := bytes.Repeat([]byte(strconv.Itoa(i)), size)
						req, err := http.NewRequest("POST", "http://"+relays.addr+"/hints", bytes.NewReader(body))
						if err != nil {
							t.Error(err)
							return
						}
						hints := 0
						req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
							Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
						}))
						req.Header.Set("Large", strings.Repeat("l", 50_000))
						resp, err := client.Do(req)
						if err != nil {
							t.Error(err)
							return
						}
						got, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						if err != nil || !bytes.Equal(got, body) || resp.Trailer.Get("Sum") != fmt.Sprintf("%x", sha256.Sum256(body)) ||
							hints != 1 || len(resp.Header.Get("Big")) != 40_000 {
							t.Errorf("%d bytes: got %d, trailer %v, %d hints, %v", size, len(got), resp.Trailer, hints, err)
						}
					}
				})
			}
			wg.Wait()
			resp, err := client.Head("http://" + relays.addr + "/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("HEAD: %d", resp.StatusCode)
			}
		})
	}
}

func fields(status int, more ...string) []Field {
	f := []Field{{Name: ":status", Value: strconv.Itoa(status)}}
	for i := 0; i < len(more); i += 2 {
		f = append(f, Field{Name: more[i], Value: more[i+1]})
	}
	return f
}

// What the client sees of each thing that can happen to an exchange.
func TestHTTPFaults(t *testing.T) {
	upper := func(b []byte) { copy(b, bytes.ToUpper(b)) }
	setHead := func(f []Field) []Field {
		for i := range f {
			if f[i].Name == ":status" {
				f[i].Value = "202"
			}
		}
		return append(f, Field{Name: "added", Value: "yes"})
	}
	whole := func(f []Field, b []byte) ([]Field, []byte) {
		for i := range f {
			if f[i].Name == "content-length" {
				f[i].Value = strconv.Itoa(2*len(b) + 1)
			}
		}
		return f, append(append(bytes.Clone(b), '|'), b...)
	}
	big := strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		name   string
		plan   Plan
		path   string
		body   string
		status int
		want   string
		fails  bool // reading the body does
		header string
	}{
		{name: "answer", plan: Plan{Answer: &Answer{Fields: fields(503, "retry-after", "7"), Body: []byte("sorry")}}, status: 503, want: "sorry"},
		{name: "answerBare", plan: Plan{Answer: &Answer{Fields: fields(204)}}, status: 204},
		{name: "answerAnUpload", body: big, plan: Plan{Answer: &Answer{Fields: fields(500), Body: []byte("no")}}, status: 500, want: "no"},
		{name: "answerBig", plan: Plan{Answer: &Answer{Fields: fields(500), Body: []byte(big)}}, status: 500, want: big},
		{name: "head", plan: Plan{Edit: [2]*Edit{nil, {Head: setHead}}}, body: "hello", status: 202, want: "hello", header: "yes"},
		{name: "data", plan: Plan{Edit: [2]*Edit{nil, {Data: upper}}}, body: big, status: 200, want: strings.ToUpper(big)},
		{name: "requestData", plan: Plan{Edit: [2]*Edit{{Data: upper}, nil}}, body: "hello", status: 200, want: "HELLO"},
		{name: "whole", plan: Plan{Edit: [2]*Edit{nil, {Whole: whole, Limit: 1 << 21}}}, body: "ab", status: 200, want: "ab|ab"},
		{name: "wholeSized", plan: Plan{Edit: [2]*Edit{nil, {Whole: whole, Limit: 1 << 21}}}, path: "/sized", body: big, status: 200, want: big + "|" + big},
		{name: "wholeTooLong", plan: Plan{Edit: [2]*Edit{nil, {Whole: whole, Limit: 1000}}}, path: "/sized", body: big, status: 200, want: big},
		{name: "wholeRequest", plan: Plan{Edit: [2]*Edit{{Whole: whole, Limit: 1 << 21}, nil}}, body: big, status: 200, want: big + "|" + big},
		{name: "wholeRequestTooLong", plan: Plan{Edit: [2]*Edit{{Whole: whole, Limit: 1000}, nil}}, body: big, status: 200, want: big},
		{name: "wholeHeld", plan: Plan{Edit: [2]*Edit{{Whole: whole, Limit: 10}, {Whole: whole, Limit: 100}}, Hold: [2]Hold{newAfter(time.Millisecond), newAfter(time.Millisecond)}},
			body: "ab", status: 200, want: "ab|ab|ab|ab"},
		{name: "fraction", plan: Plan{Cut: [2]*Cut{nil, {Keep: half, Code: InternalError}}}, path: "/sized", body: big, status: 200, want: big[:1<<19], fails: true},
		{name: "fractionUnsized", plan: Plan{Cut: [2]*Cut{nil, {Keep: half, Code: InternalError}}}, body: "abcd", status: 200, want: "ab", fails: true},
		{name: "fractionUnsizedLong", plan: Plan{Cut: [2]*Cut{nil, {Keep: half, Code: InternalError}}}, body: big + big, status: 200, fails: true},
		{name: "bytes", plan: Plan{Cut: [2]*Cut{nil, {Bytes: 3, How: EndQuietly}}}, body: "abcd", status: 200, want: "abc", fails: true},
		{name: "bytes0", plan: Plan{Cut: [2]*Cut{nil, {Bytes: 0, How: EndQuietly}}}, body: "abcd", status: 200, fails: true},
		{name: "bytesSized", plan: Plan{Cut: [2]*Cut{nil, {Bytes: 3, How: EndQuietly}}}, path: "/sized", body: "abcd", status: 200, want: "abc", fails: true},
		{name: "requestBytes", plan: Plan{Cut: [2]*Cut{{Bytes: 70_000, How: EndQuietly}, nil}}, body: big, status: 200, want: big[:70_000]},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.path == "" {
				test.path = "/"
			}
			client := h2test.NewHTTP2Client(t)
			relays := relayTo(t, h2test.StartHTTP2(t, echo), planner{request: func(req *Request, plan *Plan) {
				if req.Path != "/plain" {
					*plan = test.plan
				}
			}})
			for range 5 { // more than the windows hold, in sum
				// A reader of unknown length, so that no content-length contradicts.
				resp, err := client.Post("http://"+relays.addr+test.path, "text/plain", requestBody(test.path, test.body))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != test.status || (err != nil) != test.fails ||
					test.want != "" && string(got) != test.want || resp.Header.Get("Added") != test.header {
					t.Fatalf("got %d, %d bytes, header %q, %v; want %d, %d bytes", resp.StatusCode, len(got), resp.Header.Get("Added"), err, test.status, len(test.want))
				}
				resp, err = client.Post("http://"+relays.addr+"/plain", "text/plain", strings.NewReader(big))
				if err != nil {
					t.Fatal(err)
				}
				got, err = io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(got) != big {
					t.Fatalf("the one after it: %d bytes, %v", len(got), err)
				}
			}
			if n := len(relays.relays()); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
			until(t, "the end of all streams", func() bool { return relays.relays()[0].Streams() == 0 })
		})
	}
}

func requestBody(path, body string) io.Reader {
	if path == "/sized" {
		return strings.NewReader(body)
	}
	return io.MultiReader(strings.NewReader(body))
}

func half(total int64) int64 { return total / 2 }
