// Command starquake runs chaos orchestrations written in Starlark.
//
// What lives here: one small file for each command, which turns flags into options
// of package app and what comes back into text or JSON. What may not: anything that
// a server would need too (package app), and the drawing of runs (report/text).
//
// The exit code is that of the verdict (LANGUAGE.md, "Verdicts and exit codes"). A
// wrong command line, file or request is 2, what could not be done 4. Results go to
// stdout, everything about the way there to stderr.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"golang.org/x/term"

	"starquake/app"
)

// commands are the command line.
type commands struct {
	Run      runCmd      `cmd:"" help:"Run an orchestration against the real world."`
	Plan     planCmd     `cmd:"" help:"Show what run would do; nothing outside is touched."`
	Validate validateCmd `cmd:"" help:"Say everything that is wrong with orchestrations."`
	Test     testCmd     `cmd:"" help:"Run the tests of orchestrations: every test_…() of *_test.star."`
	Fmt      fmtCmd      `cmd:"" help:"Lay orchestrations out in the one way."`
	Export   exportCmd   `cmd:"" help:"Write a script as an orchestration file, if a file can say it."`
	Convert  convertCmd  `cmd:"" help:"Write an orchestration file in the other format: YAML in JSON, JSON in YAML."`
	Template templateCmd `cmd:"" help:"Show an orchestration to begin with."`
	Import   importCmd   `cmd:"" help:"Show the script that an orchestration file in YAML or JSON becomes."`

	Start   startCmd   `cmd:"" group:"Runs that go on:" help:"Start a run on a server."`
	Status  statusCmd  `cmd:"" group:"Runs that go on:" help:"Show how a run stands."`
	Watch   watchCmd   `cmd:"" group:"Runs that go on:" help:"Show a run as it goes on, to its end."`
	Pause   pauseCmd   `cmd:"" group:"Runs that go on:" help:"Hold a run. Its faults stay on, unless they are lifted with --lift-faults, and its guards stay live."`
	Resume  resumeCmd  `cmd:"" group:"Runs that go on:" help:"End a pause."`
	Skip    skipCmd    `cmd:"" group:"Runs that go on:" help:"End a running step as skipped."`
	Stop    stopCmd    `cmd:"" group:"Runs that go on:" help:"Stop a run, and return when every fault is gone."`
	Approve approveCmd `cmd:"" group:"Runs that go on:" help:"Let a run go on that waits in approve()."`
	Reject  rejectCmd  `cmd:"" group:"Runs that go on:" help:"Stop a run that waits in approve()."`

	Runs    runsCmd    `cmd:"" group:"Runs that are kept:" help:"List, show, export, import and remove runs."`
	Recover recoverCmd `cmd:"" group:"Runs that are kept:" help:"Go on with runs whose process died."`
	Cleanup cleanupCmd `cmd:"" group:"Runs that are kept:" help:"Take off what runs whose process died have left on, and end them without their on_exit handlers; recover --recover=rollback runs these."`
	Report  reportCmd  `cmd:"" group:"Runs that are kept:" help:"Write a report of a run: a page, Markdown, JSON, JUnit or SARIF."`
	Compare compareCmd `cmd:"" group:"Runs that are kept:" help:"Set two runs side by side: did resilience regress?"`
	Replay  replayCmd  `cmd:"" group:"Runs that are kept:" help:"Execute a run again with the answers that it got, and compare."`

	Serve serveCmd `cmd:"" group:"To serve:" help:"Serve runs to a team: the REST API, with proxies that outlive runs."`
	Token tokenCmd `cmd:"" group:"To serve:" help:"Make, list and revoke the tokens that open a server."`
	Proxy proxyCmd `cmd:"" group:"To serve:" help:"Run the data plane alone: proxies, and an API that puts faults on them."`

	CA caCmd `cmd:"" name:"ca" group:"To serve:" help:"Make the local certificate authority of targets that terminate TLS, and show it."`

	Schedules   schedulesCmd   `cmd:"" group:"To serve:" help:"List, make and change schedules of a server."`
	Orchestrate orchestrateCmd `cmd:"" group:"To serve:" help:"start, status, stop, validate and template by the names that users of orchestration files know."`

	Builtins  builtinsCmd  `cmd:"" group:"To learn:" help:"Show the builtins of the language, or one of them."`
	Faults    faultsCmd    `cmd:"" group:"To learn:" help:"Show the kinds of fault, or one of them."`
	Scenarios scenariosCmd `cmd:"" group:"To learn:" help:"Show the predefined scenarios, the network profiles and your own, or one of them."`
	Schema    schemaCmd    `cmd:"" group:"To learn:" help:"Show the JSON Schema of orchestration files, for editors, or the OpenAPI document of the server."`
	Demo      demoCmd      `cmd:"" group:"To learn:" help:"Watch a retry storm in a small shop of its own, and its recovery, in some 40 seconds; or open the shop for the examples."`
	Version   versionCmd   `cmd:"" group:"To learn:" help:"Show the versions of the program, its interpreter and its formats."`

	Completion kongcompletion.Completion `cmd:"" group:"To install:" help:"Show how the shell learns to complete the command line: bash, zsh, fish."`
	Man        manCmd                    `cmd:"" group:"To install:" help:"Write the manual page, for man."`
}

const description = `Chaos orchestrations as programs. Start with: starquake demo; for a command: starquake help COMMAND

Exit codes: 0 passed, 1 failed, 2 invalid (nothing was started), 3 aborted by a guard, 4 errored, ` +
	`5 unclean (a fault may still be on), 6 inconclusive, 130 stopped.`

func main() {
	if app.IsGuardian() {
		os.Exit(app.Guardian())
	}
	if app.IsIsolatedChild() {
		os.Exit(app.IsolatedChild())
	}
	os.Exit(mainCode())
}

// mainCode executes the command line and gives the exit code.
func mainCode() (code int) {
	sh := newShell()
	defer func() {
		// A defect must not look like a verdict on the system under test, nor pass.
		if p := recover(); p != nil {
			fmt.Fprintf(sh.err, "starquake: internal error: %v\n%s", p, debug.Stack())
			code = codeErrored
		}
	}()
	args := os.Args[1:]
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "--version": // which people try first; a flag of its own would stand in the help of every command
		args[0] = "version"
	}
	if args[0] == "help" { // as other programs have it
		args = append(args[1:len(args):len(args)], "--help")
	}
	cli := new(commands)
	parser, err := kong.New(cli,
		kong.Name("starquake"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(sh.out, sh.err))
	if err != nil {
		panic(err) // the struct above is wrong
	}
	completes(parser)
	ctx, err := parser.Parse(args)
	if err != nil {
		return sh.usage(parser, args, err)
	}
	byHand(ctx)
	// What goes into a file is meant for the shell, not for people.
	cli.Completion.Code = cli.Completion.Code || !term.IsTerminal(int(os.Stdout.Fd()))
	return sh.code(ctx.Run(sh))
}

// byHand lets a data folder that is given by hand win over a server that only a variable
// names.
func byHand(ctx *kong.Context) {
	given := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag.Name] = true
		}
	}
	if !given["data"] || given["base-url"] {
		return
	}
	for _, f := range ctx.Flags() {
		if f.Name == "base-url" {
			f.Target.SetString("")
		}
	}
}

// parseInto reads flags into a struct, for arguments behind "--".
func parseInto(flags any, args []string) error {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	parser, err := kong.New(flags, kong.Name("starquake demo --"))
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	return err
}
