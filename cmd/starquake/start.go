package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"starquake/app"
	"starquake/report/text"
	"starquake/server"
	"starquake/server/client"
)

// startCmd is `starquake start`.
type startCmd struct {
	Name string `arg:"" optional:"" help:"An orchestration that the server keeps; or else --file."`
	File string `short:"f" placeholder:"FILE" help:"Import this orchestration (.star, .yaml, .yml, .json), and start it."`

	Param     []string          `sep:"none" placeholder:"NAME=VALUE" help:"Give a parameter; may be repeated."`
	Seed      *uint64           `placeholder:"N" help:"The seed of all randomness. Without it: a hash of script and parameters."`
	Label     map[string]string `placeholder:"NAME=VALUE" help:"A label of the run, to find it by; may be repeated."`
	Target    []string          `placeholder:"NAME" help:"The targets that the run is given; without it all that the server has."`
	NoTargets bool              `help:"Give the run no target."`
	Lenient   bool              `help:"Warn of keys that an orchestration file may not have, where they are errors otherwise."`
	Wait      bool              `help:"Show the run to its end, and end with its exit code. Ctrl-C leaves the run alone."`
	Output    string            `short:"o" enum:"text,json,ndjson" default:"text" help:"text, json, or with --wait ndjson (the run's records as they come)."`
	serverFlags
}

// Run starts a run on a server.
func (c *startCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *startCmd) run(sh *shell) error {
	switch {
	case (c.Name == "") == (c.File == ""):
		return invalid("expected either the name of an orchestration that the server keeps, or --file FILE")
	case c.Output == formatNDJSON && !c.Wait:
		return invalid("--output ndjson: expected with --wait")
	case c.NoTargets && len(c.Target) > 0:
		return invalid("expected either --target or --no-targets")
	}
	body := server.StartBody{Labels: c.Label, Targets: c.Target}
	if c.NoTargets {
		body.Targets = []string{}
	}
	var err error
	if body.Params, err = remoteParams(c.Param); err != nil {
		return err
	}
	body.Seed = (*server.Seed)(c.Seed)
	to, err := c.client()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	body.Orchestration = c.Name
	var file []byte
	if c.File != "" {
		if file, err = c.bring(ctx, sh, to, &body); err != nil {
			return err
		}
	}
	run, err := to.Start(ctx, body)
	var p *server.Problem
	if errors.As(err, &p) && p.Code == "orchestration_not_found" && isFile(c.Name) {
		p.Detail += fmt.Sprintf("; for the file of that name write start --file %s", c.Name)
	}
	if err != nil {
		return refusedBy(err, c.File, file)
	}
	if c.Wait {
		fmt.Fprintf(sh.err, "run %s%s\n", text.Clean(run.ID), place(&run))
		flags := remoteFlags{serverFlags: serverFlags{BaseURL: to.URL(), Token: c.Token}}
		return flags.with(sh, run.ID, func(ctx context.Context, there *reached) error { return sh.watch(ctx, c.Output, there) })
	}
	if c.Output == formatJSON {
		return sh.json(formatJSON, run)
	}
	if at := place(&run); at != "" {
		_, err = fmt.Fprintf(sh.out, "run %s of %s%s\n", text.Clean(run.ID), text.Clean(run.Name), at)
		return err
	}
	_, err = fmt.Fprintf(sh.out, "run %s of %s started\n", text.Clean(run.ID), text.Clean(run.Name))
	return err
}

// isFile reports whether a name is that of a file here.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// place says where in the server's queue a run is, "" for one that has begun.
func place(run *server.Run) string {
	if run.QueuePosition == 0 {
		return ""
	}
	return fmt.Sprintf(" waits for its turn, at position %d", run.QueuePosition)
}

// bring imports the file, and says in body that it is what is to be started.
func (c *startCmd) bring(ctx context.Context, sh *shell, to *client.Client, body *server.StartBody) ([]byte, error) {
	if err := orchestrationFile(c.File); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return nil, asInvalid(err)
	}
	src := server.Source{Content: string(text), Format: formatOfFile(c.File), Lenient: c.Lenient}
	kept, err := to.Import(ctx, src)
	if err != nil {
		return nil, refusedBy(err, c.File, text)
	}
	if diags := found(kept.Warnings, c.File); len(diags) > 0 {
		sh.render(diags, func(string) []byte { return text })
	}
	body.Orchestration, body.Version = kept.Name, kept.Version
	return text, nil
}

// formatOfFile is what a server calls the format of an orchestration's file.
func formatOfFile(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".star":
		return "starlark"
	case ".json":
		return "json"
	}
	return "yaml"
}

// remoteParams are --param flags as a server takes them: text, which it reads as the
// parameter's type has it, but for what can only be JSON.
func remoteParams(flags []string) (map[string]json.RawMessage, error) {
	given, err := app.ParseParams(flags)
	if err != nil {
		return nil, asInvalid(err)
	}
	params := make(map[string]json.RawMessage, len(given))
	for name, p := range given {
		if strings.HasPrefix(p.Text, "{") && json.Valid([]byte(p.Text)) {
			params[name] = json.RawMessage(p.Text)
			continue
		}
		if params[name], err = json.Marshal(p.Text); err != nil {
			return nil, err
		}
	}
	return params, nil
}
