package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starquake/report"
	"starquake/runtime/view/viewtest"
)

var update = flag.Bool("update", false, "rewrite the golden files; commit only changes whose cause you understand")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s (-want +got; -update rewrites):\n%s", file, cmp.Diff(string(want), string(got)))
	}
}

// sample is a sample run as one that was kept.
func sample(name string) *report.Run {
	return &report.Run{
		Run: viewtest.Samples()[name].Run(), ID: "20260101-120000-000abcde", Path: "chaos/checkout.star", By: "anna", Version: "v1.2.3",
		Labels: map[string]string{"team": "payments"},
	}
}

// TestGolden writes each sample in each format.
func TestGolden(t *testing.T) {
	for _, name := range []string{"shop", "simple", "tolerated", "aborted", "unclean", "paused", "hostile", "endless"} {
		for _, f := range report.Formats() {
			t.Run(name+"/"+f.Name, func(t *testing.T) {
				var out bytes.Buffer
				if err := f.Write(&out, sample(name)); err != nil {
					t.Fatal(err)
				}
				golden(t, name+f.Endings[0], out.Bytes())
			})
		}
	}
}
