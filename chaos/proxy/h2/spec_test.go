package h2

import (
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"starquake/chaos/proxy/h2/h2test"
)

// The relay in front of a server fails no case of h2spec that the server passes. Set
// H2SPEC to the program's path (go install github.com/summerwind/h2spec/cmd/h2spec).
func TestH2Spec(t *testing.T) {
	program := os.Getenv("H2SPEC")
	if program == "" {
		t.Skip("H2SPEC does not name the program")
	}
	server := h2test.StartHTTP2(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	direct := h2spec(t, program, server)
	relayed := h2spec(t, program, relayTo(t, server, planner{}).addr)
	passed := 0
	for name, failure := range relayed {
		if failure == "" {
			passed++
		} else if direct[name] == "" {
			t.Errorf("%s: passes directly, and through the relay: %s", name, failure)
		}
	}
	for name, failure := range direct {
		if failure != "" {
			t.Logf("directly, too, or only: %s: %s", name, failure)
		}
	}
	t.Logf("%d of %d cases pass through the relay", passed, len(relayed))
}

// h2spec returns what failed of each case, empty for nothing.
func h2spec(t *testing.T, program, addr string) map[string]string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.xml")
	out, err := exec.Command(program, "-h", host, "-p", port, "-o", "5", "-S", "-j", report).CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var suites struct {
		Suites []struct {
			Package string `xml:"package,attr"`
			Cases   []struct {
				Name    string `xml:"classname,attr"`
				Failure string `xml:"failure"`
				Error   string `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	cases := make(map[string]string)
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			cases[s.Package+" "+c.Name] = c.Failure + c.Error
		}
	}
	if len(cases) < 100 {
		t.Fatalf("%d cases: %s", len(cases), out)
	}
	return cases
}
