package server

import (
	"bytes"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"starquake/app"
	"starquake/report"
	"starquake/report/text"
	"starquake/runtime/view"
	"starquake/store"
)

// pagePolicy is what a report that a browser opens may do: show itself, and nothing else.
func pagePolicy() string { return report.ContentSecurityPolicy() + "; frame-ancestors 'none'; sandbox" }

// reportRoute is that of a run's report. It is made of the journal whenever it is asked for.
func (s *Server) reportRoute(tag, base string) {
	o := op("GET", base+"/{id}/report", "get-report", Viewer, "A report of a run as it stands, made of its journal: a page for people, Markdown, JSON, JUnit XML or SARIF. Of one that waits for its turn there is none: 409 run_queued, whose help names the calls that tell when; nor of one that never began: 409 run_ended.", tag)
	content := map[string]*huma.MediaType{}
	for _, f := range report.Formats() {
		content[f.MediaType] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Description: f.Doc}}
		if isJSON(f) {
			content[f.MediaType].Schema.Type = huma.TypeObject
		}
	}
	o.Responses["200"] = &huma.Response{Description: "The report.", Content: content}
	huma.Register(s.api, o, func(_ context.Context, in *struct {
		RunPath
		Format string `query:"format" enum:"html,md,markdown,json,junit,sarif" default:"html" doc:"How it is written."`
	}) (*huma.StreamResponse, error) {
		f, err := report.Named(in.Format)
		if err != nil {
			return nil, asProblem(err)
		}
		run, err := s.reported(in.ID)
		if err != nil {
			return nil, asProblem(err)
		}
		// In memory, as it is bounded, and half a report must not be taken for one.
		var page bytes.Buffer
		if err := f.Write(&page, run); err != nil {
			return nil, asProblem(err)
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", f.MediaType)
			ctx.SetHeader("Content-Security-Policy", pagePolicy())
			ctx.SetStatus(http.StatusOK)
			_, _ = ctx.BodyWriter().Write(page.Bytes()) // into memory
		}}, nil
	})
}

// isJSON reports whether a format is read as JSON.
func isJSON(f report.Format) bool { return slices.Contains([]string{"json", "sarif"}, f.Name) }

// again is what runs the script of a run again: the name by which the server keeps it, if
// what it keeps by the run's name is what the run executed. Else it came as text.
func (s *Server) again(v *view.Run) string {
	if d, _, err := s.definition(v.Name, 0); err == nil && d.Content == v.Modules[v.Script] {
		return "starquake start " + text.Quote(v.Name)
	}
	return report.StartText
}

// reported is a run for a report.
func (s *Server) reported(id string) (*report.Run, error) {
	about := func(info *store.Info, v *view.Run) *report.Run {
		r := &report.Run{Run: v, ID: info.ID, Given: app.GivenOf(*info), By: info.By, Version: info.Version, Labels: info.Labels, Imported: info.Imported}
		if !app.ServedOf(*info) {
			r.Path = app.PathOf(*info) // of starquake run, in the same data folder, or imported
			return r
		}
		if r.Again = s.again(v); r.Again != report.StartText {
			r.Given = slices.DeleteFunc(r.Given, func(word string) bool { return word == lenientFlag })
		}
		return r
	}
	if err := s.runs.notBegun(id); err != nil {
		return nil, err
	}
	if r := s.runs.find(id); r != nil && !s.leftOn(r) {
		return about(r.About(), r.View()), nil
	}
	defer s.runs.reading()()
	e, recs, err := s.runs.read(id)
	if err != nil {
		return nil, err
	}
	return about(&e.Info, app.ViewOf(&e, recs)), nil
}

// reportOf is where the report of a run is, or will be; "" of one that has ended and never
// began.
func (s *Server) reportOf(r *Run) string {
	if r.Status == string(view.Ended) && s.runs.notBegun(r.ID) != nil {
		return ""
	}
	return reportPath(r.ID)
}

// reportPath is where the report of a run is.
func reportPath(id string) string { return "/api/v1/runs/" + id + "/report" }
