package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"starquake/app"
	"starquake/runtime/journal"
)

// version is set by the linker for releases: -ldflags "-X main.version=1.2.3".
var version string

// versionCmd is `starquake version`.
type versionCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// versions is the answer of --output json.
type versions struct {
	Version  string         `json:"version"`
	Commit   string         `json:"commit,omitempty"`
	Go       string         `json:"go"`
	Platform string         `json:"platform"`
	Starlark string         `json:"starlark"`
	Formats  map[string]int `json:"formats"`
}

// Run shows the versions.
func (c *versionCmd) Run(sh *shell) error {
	v := versions{
		Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Starlark: strings.TrimPrefix(app.Interpreter(), "go.starlark.net "),
		Formats:  map[string]int{"journal": journal.FormatVersion},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" {
			v.Version = strings.Trim(info.Main.Version, "()")
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	if v.Version == "" {
		v.Version = "devel"
	}
	if c.Output == formatJSON {
		return sh.json(formatJSON, v)
	}
	_, err := fmt.Fprintf(sh.out, "starquake %s\n%s %s\ngo.starlark.net %s\njournal format %d\n", v.Version, v.Go, v.Platform, v.Starlark, journal.FormatVersion)
	return err
}
