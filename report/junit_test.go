package report_test

import (
	"bytes"
	"testing"

	"starquake/report"
	"starquake/report/junit/junittest"
	"starquake/runtime/view/viewtest"
)

// TestJUnitSchema validates the reports of all samples.
func TestJUnitSchema(t *testing.T) {
	for name := range viewtest.Samples() {
		t.Run(name, func(t *testing.T) {
			out := write(t, "junit", sample(name))
			if err := junittest.Validate(out); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// write writes a run in a format.
func write(t *testing.T, format string, r *report.Run) []byte {
	t.Helper()
	f, err := report.Named(format)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Write(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
