package main

// orchestrateCmd is `starquake orchestrate`: the commands by the names that users of
// orchestration files know.
type orchestrateCmd struct {
	Start    startCmd    `cmd:"" help:"As starquake start."`
	Status   statusCmd   `cmd:"" help:"As starquake status."`
	Stop     stopCmd     `cmd:"" help:"As starquake stop."`
	Validate validateCmd `cmd:"" help:"As starquake validate."`
	Template templateCmd `cmd:"" help:"As starquake template."`
}
