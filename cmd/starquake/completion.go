package main

import (
	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"github.com/posener/complete"
)

// completes answers the shell where it asks what could come next, and then ends the
// process. It asks by the variable COMP_LINE, with the program that `starquake
// completion` tells it of.
func completes(parser *kong.Kong) {
	kongcompletion.Register(parser, kongcompletion.WithPredictor("orchestration", complete.PredictOr(
		complete.PredictFiles("*.star"), complete.PredictFiles("*.yaml"), complete.PredictFiles("*.yml"), complete.PredictFiles("*.json"))))
}

// manCmd is `starquake man`.
type manCmd struct {
	Format string `enum:"roff,md,markdown," default:"" placeholder:"FORMAT" help:"roff (for man), or md or markdown (the reference of every command and flag). Without it: that of --output's ending, else roff."`
	Output string `short:"o" placeholder:"FILE" help:"Write it there instead of showing it."`
}

// Run writes the manual page, made of the same table as --help.
func (c *manCmd) Run(sh *shell, ctx *kong.Context) error {
	if formatFor(c.Format, c.Output, "roff") == formatMarkdown {
		return sh.result(c.Output, commandReference(ctx.Model))
	}
	return sh.result(c.Output, manual(ctx.Model))
}
