package report

import (
	"fmt"
	"io"
	"strings"
)

// maxAnnotations is how many GitHub shows of one step of a job.
const maxAnnotations = 10

// Annotations writes a run's failures as commands of GitHub Actions, which shows them at
// their lines of the script. A run that passed writes nothing but what was tolerated or retried.
func Annotations(w io.Writer, r *Run) error {
	var b strings.Builder
	list, more := findings(r)
	if len(list) > maxAnnotations {
		more += len(list) - maxAnnotations + 1
		list = list[:maxAnnotations-1]
	}
	for _, f := range list {
		level := "error"
		title := r.Name + ": " + r.verdict()
		if word := f.held(); word != "" {
			level, title = "warning", r.Name+": "+word
		}
		var at []string
		if f.File != "" {
			at = append(at, "file="+property(f.File), fmt.Sprintf("line=%d", f.Line))
			if f.Col > 0 {
				at = append(at, fmt.Sprintf("col=%d", f.Col))
			}
		}
		at = append(at, "title="+property(line(title)))
		fmt.Fprintf(&b, "::%s %s::%s\n", level, strings.Join(at, ","), message(line(f.Message)))
	}
	if more > 0 {
		fmt.Fprintf(&b, "::notice title=%s::%d more failures\n", property(line(r.Name)), more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// message and property escape as GitHub's runner reads them.
func message(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
