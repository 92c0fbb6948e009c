package app

import (
	"fmt"
	"path/filepath"
	"strings"

	"starquake/dsl"
	"starquake/dsl/files"
)

// ReportPath is where an orchestration file asks for a report, and where it says so.
type ReportPath struct {
	Path string
	// At is a diagnostic at that place, without a message.
	At dsl.Diagnostic
}

// reportPath is where a document asks for a report; nil if it does not.
func reportPath(name string, doc *files.Doc) *ReportPath {
	on, p := doc.EnableReporting, doc.ReportPath
	if on == nil || !on.Value || p == nil {
		return nil
	}
	return &ReportPath{p.Value, dsl.Diagnostic{
		Severity: dsl.Error, Code: "report_path", File: name,
		Line: p.Pos.Line, Col: p.Pos.Col, EndLine: p.Pos.EndLine, EndCol: p.Pos.EndCol,
	}}
}

// check looks at whether the report is to go below the working folder, whichever that is.
// Whether links lead out of it only a run can know.
func (p *ReportPath) check() dsl.Diagnostics {
	if p == nil || filepath.IsLocal(p.Path) && !strings.ContainsAny(p.Path, "\\\x00") && !strings.HasSuffix(p.Path, "/") && filepath.Clean(p.Path) != "." {
		return nil
	}
	d := p.At
	d.Message = fmt.Sprintf("report_path: %q; expected a file below the working folder, such as \"reports/run.html\"", p.Path)
	return dsl.Diagnostics{d}
}
