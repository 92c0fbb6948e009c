package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/server"
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
		Version: programVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Starlark: strings.TrimPrefix(app.Interpreter(), "go.starlark.net "),
		Formats:  map[string]int{"journal": journal.FormatVersion, "api": server.APIVersion},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	if c.Output == formatJSON {
		return sh.json(formatJSON, v)
	}
	_, err := fmt.Fprintf(sh.out, "starquake %s\n%s %s\ngo.starlark.net %s\njournal format %d\nAPI v%d\n", v.Version, v.Go, v.Platform, v.Starlark, journal.FormatVersion, server.APIVersion)
	return err
}

// programVersion is that of the release, or of the module, or "devel".
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := strings.Trim(info.Main.Version, "()"); v != "" {
			return v
		}
	}
	return "devel"
}
