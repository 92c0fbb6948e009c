package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// flagServer is a service whose breaking is switched by requests.
type flagServer struct {
	*httptest.Server
	on atomic.Bool
}

func serveFlags(t *testing.T) *flagServer {
	t.Helper()
	s := new(flagServer)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /on", func(http.ResponseWriter, *http.Request) { s.on.Store(true) })
	mux.HandleFunc("DELETE /off", func(http.ResponseWriter, *http.Request) { s.on.Store(false) })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, map[bool]string{true: "on", false: "off"}[s.on.Load()])
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}
