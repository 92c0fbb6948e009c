package main

// demoCmd is `starquake demo`.
type demoCmd struct{}

// Run runs the demo.
func (c *demoCmd) Run(sh *shell) error { return nil }
