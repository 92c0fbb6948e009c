package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"starquake/app"
	"starquake/builtins"
	"starquake/examples"
	"starquake/internal/demo"
)

// demoCmd is `starquake demo`.
type demoCmd struct {
	Script  bool     `help:"Only show the script."`
	Serve   bool     `help:"Only open the shop, with customers, at the addresses that the examples name, until the program is told to end."`
	AnyPort bool     `help:"With --serve: at free ports, where the usual ones are taken."`
	Args    []string `arg:"" optional:"" passthrough:"" name:"args" help:"Behind --: arguments for the orchestration, such as -- --param rate=20 --seed 7 --report demo.html."`
}

// demoFlags are what can be given behind "--".
type demoFlags struct {
	Param    []string `sep:"none" placeholder:"NAME=VALUE" help:"Give a parameter; may be repeated."`
	Seed     *uint64  `placeholder:"N" help:"The seed of all randomness."`
	Compress int      `default:"1" placeholder:"FACTOR" help:"Let the time of the run pass that many times faster."`
	reportFlag
	dataFlag // without it the run is in memory only
}

// demoReport is the report that is written where none is asked for.
const demoReport = "starquake-demo.html"

// Run opens a shop of three services with a proxy before each, and runs retry-storm.star
// on it over real sockets. The exit code is that of its verdict.
func (c *demoCmd) Run(sh *shell) error {
	switch {
	case c.Script && (c.Serve || c.AnyPort || len(c.Args) > 0):
		return invalid("demo --script only shows the script; it goes with nothing else")
	case c.Script:
		_, err := sh.out.Write(examples.RetryStorm)
		return err
	case c.Serve && len(c.Args) > 0:
		return invalid("demo --serve runs nothing, and takes no arguments for it: %s", strings.Join(c.Args, " "))
	case c.Serve:
		return c.serve(sh)
	case c.AnyPort:
		return invalid("demo --any-port goes with --serve; without it the ports are free ones anyway")
	}
	return c.story(sh)
}

func (c *demoCmd) story(sh *shell) error {
	given := demoFlags{}
	if err := parseInto(&given, c.Args); err != nil {
		return asInvalid(fmt.Errorf("demo: %w", err))
	}
	compress, err := compressed(given.Compress)
	if err != nil {
		return err
	}
	if len(given.Report) == 0 {
		given.Report = []string{demoReport}
	}
	reports, err := given.files()
	if err != nil {
		return err
	}
	opt := app.Options{Seed: given.Seed, Env: &app.Environment{Name: "demo"}}
	if opt.Params, err = app.ParseParams(given.Param); err != nil {
		return asInvalid(err)
	}
	const name = "retry-storm.star"
	s, diags := app.LoadText(name, examples.RetryStorm)
	if diags.HasErrors() {
		return wrong(name, s, diags)
	}
	places, err := demo.Anywhere()
	if err != nil {
		return err
	}
	shop, err := demo.Open(context.Background(), places, false)
	if err != nil {
		return err
	}
	defer shop.Close()
	for _, name := range []string{demo.Checkout, demo.Payments, demo.Catalog} {
		if err := opt.Env.AddProxy(proxyBefore(shop.Place(name))); err != nil {
			return err
		}
	}
	fmt.Fprint(sh.out, sh.scene())
	logs := newAside(sh.err)
	defer logs.close()
	err = sh.conduct(name, s, conducting{
		opt:  app.RunOptions{Options: opt, Compress: compress},
		kept: keptFlags{dataFlag: given.dataFlag, InMemory: given.Data == ""}, format: formatText, logs: logs, reports: reports,
		again:  "starquake demo --",
		unsaid: builtins.GaveWay, // nobody has given a target: the shop does
	})
	var exit *exitError
	if err == nil || errors.As(err, &exit) && exit.err == nil && exit.diags == nil { // it ran, and its reports are written
		fmt.Fprintln(sh.out)
		for _, path := range given.Report {
			fmt.Fprintf(sh.out, "  report      %s\n", path)
		}
		fmt.Fprintln(sh.out, "  the script  starquake demo --script")
	}
	return err
}

// proxyBefore is the value of --proxy for a place of the shop.
func proxyBefore(p demo.Place) string {
	return p.Name + "=" + p.Via + "," + p.Addr + "," + p.Protocol
}

// scene shows what the demo is about before it begins.
func (sh *shell) scene() string {
	picture := `
  A shop on this machine. Every arrow goes through an embedded proxy.

      customers ──▶ checkout ─┬─▶ catalog
                              └─▶ payments ◀─ ↯ this is where it gets slow

  Checkout waits 300ms for payments, then asks again at once, up to three times.

`
	if sh.ascii {
		picture = strings.NewReplacer("──▶", "-->", "─┬─▶", "-+->", "└─▶", "+->", "◀─", "<-", "↯", "!").Replace(picture)
	}
	return picture
}

// serve opens the shop and keeps it open.
func (c *demoCmd) serve(sh *shell) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	places := demo.Fixed()
	if c.AnyPort {
		var err error
		if places, err = demo.Anywhere(); err != nil {
			return err
		}
	}
	shop, err := demo.Open(ctx, places, true)
	if errors.Is(err, syscall.EADDRINUSE) {
		return errored("%w; end what listens there, or give --any-port", err)
	}
	if err != nil {
		return errored("%w", err)
	}
	fmt.Fprintln(sh.out, "The shop is open, and customers are in it. They take the way through a proxy where one listens, else the straight one.")
	fmt.Fprintf(sh.out, "\n  %-10s %-8s %-17s %s\n", "part", "speaks", "listens at", "proxied at")
	for _, p := range shop.Places {
		fmt.Fprintf(sh.out, "  %-10s %-8s %-17s %s\n", p.Name, p.Protocol, p.Addr, p.Via)
	}
	if c.AnyPort {
		fmt.Fprintln(sh.out, "\nFrom another shell: starquake run FILE, with such of these as it has targets:")
		for _, p := range shop.Places {
			fmt.Fprintf(sh.out, "  --proxy %s\n", proxyBefore(p))
		}
	} else {
		fmt.Fprintln(sh.out, "\nFrom another shell, the story, or where the sources are any of the examples:")
		fmt.Fprintln(sh.out, "  starquake demo --script > retry-storm.star; starquake run retry-storm.star")
		fmt.Fprintln(sh.out, "  starquake run examples/NAME.star")
	}
	fmt.Fprintln(sh.out, "Ctrl-C closes it.")
	<-ctx.Done()
	if err := shop.Close(); err != nil {
		return errored("closing the shop: %w", err)
	}
	return nil
}
