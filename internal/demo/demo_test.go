package demo

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a service that is closed with the test.
func start(t *testing.T, config Config) *Service {
	t.Helper()
	s, err := StartWith(t.Context(), "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get asks on a connection of its own.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestPaths(t *testing.T) {
	s := start(t, Config{})
	for path, want := range map[string]string{
		"/health":   "status",
		"/catalog":  "items",
		"/checkout": "order",
		"/pay":      "payment",
	} {
		status, body := get(t, s.URL()+path)
		var got map[string]any
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Errorf("%s: %v in %q", path, err, body)
		}
		if status != 200 || got[want] == nil {
			t.Errorf("%s: status %d, body %s; want 200 and a member %q", path, status, body, want)
		}
		if n := s.Requests(path); n != 1 {
			t.Errorf("%s was asked %d times by its counter, want 1", path, n)
		}
	}
	if status, _ := get(t, s.URL()+"/nothing"); status != 404 {
		t.Errorf("/nothing: status %d, want 404", status)
	}
	_, metrics := get(t, s.URL()+"/metrics")
	if want := `demo_requests_total{path="/checkout",status="200"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("/metrics has no %s:\n%s", want, metrics)
	}
}

func TestCheckoutAsksTheProvider(t *testing.T) {
	payments := start(t, Config{Work: -1})
	shop := start(t, Config{Work: -1, Payments: payments.URL()})
	status, body := get(t, shop.URL()+"/checkout")
	if status != 200 || !strings.Contains(body, `"payment":"pay-000001"`) {
		t.Errorf("checkout: %d %s; want 200 and the provider's payment", status, body)
	}
	if err := payments.Close(); err != nil {
		t.Fatal(err)
	}
	if status, body = get(t, shop.URL()+"/checkout"); status != 502 {
		t.Errorf("checkout without its provider: %d %s; want 502", status, body)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-s.served
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		conn.Close()
		t.Errorf("%s still accepts after the context ended", s.Addr())
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close after the end: %v", err)
	}
}

func TestAddressInUse(t *testing.T) {
	s := start(t, Config{})
	if other, err := Start(t.Context(), s.Addr()); err == nil {
		other.Close()
		t.Errorf("a second service started at %s", s.Addr())
	}
}
