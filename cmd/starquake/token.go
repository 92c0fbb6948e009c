package main

import (
	"errors"
	"fmt"
	"os/user"
	"text/tabwriter"
	"time"

	"starquake/report/text"
	"starquake/server/auth"
	"starquake/units"
)

// tokenCmd is `starquake token`. It works in the data folder, so who may make tokens is
// who may write there.
type tokenCmd struct {
	New    tokenNewCmd    `cmd:"" help:"Make a token, and show it: once, as only its hash is kept."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"Remove a token: it opens nothing from then on."`
}

// tokenNewCmd is `starquake token new`.
type tokenNewCmd struct {
	Name    string `required:"" placeholder:"NAME" help:"What the token is called; runs are signed with it."`
	Role    string `required:"" enum:"viewer,operator,admin" placeholder:"ROLE" help:"What it may do: viewer looks, operator starts and steers runs, admin all."`
	Expires string `placeholder:"TIME" help:"After how long it ends, such as 90d; without it never."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	dataFlag
}

// Run makes a token.
func (c *tokenNewCmd) Run(sh *shell) (err error) {
	now := time.Now()
	var expires time.Time
	if c.Expires != "" {
		d, err := units.ParseDuration(c.Expires)
		if err != nil {
			return sh.failedIn(c.Output, invalid("--expires: %w", err))
		}
		expires = now.Add(d)
	}
	st, err := c.openStore()
	if err != nil {
		return sh.failedIn(c.Output, err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	by := ""
	if u, err := user.Current(); err == nil {
		by = u.Username
	}
	text, tok, err := auth.NewTokens(st).New(c.Name, auth.Role(c.Role), expires, by, now)
	if err != nil {
		return sh.failedIn(c.Output, asInvalid(err))
	}
	if c.Output == formatJSON {
		return sh.json(c.Output, struct {
			auth.Token
			Text string `json:"token"`
		}{tok, text})
	}
	fmt.Fprintln(sh.out, text)
	fmt.Fprintf(sh.err, "starquake: the token of %s, role %s, is shown this once; give it as STARQUAKE_TOKEN or Authorization: Bearer\n", tok.Name, tok.Role)
	return nil
}

// tokenListCmd is `starquake token list`.
type tokenListCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	dataFlag
}

// Run lists the tokens.
func (c *tokenListCmd) Run(sh *shell) (err error) {
	st, err := c.openStore()
	if err != nil {
		return sh.failedIn(c.Output, err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	list, err := auth.NewTokens(st).List()
	if err != nil {
		return sh.failedIn(c.Output, err)
	}
	if c.Output == formatJSON {
		return sh.json(c.Output, list)
	}
	w := tabwriter.NewWriter(sh.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tCREATED\tEXPIRES")
	for _, t := range list {
		if t.Damaged != "" {
			fmt.Fprintf(sh.err, "token %s cannot be read, and opens nothing; revoke it: %s\n", text.Clean(t.Name), text.Clean(t.Damaged))
			fmt.Fprintf(w, "%s\tdamaged\t-\t-\n", text.Clean(t.Name))
			continue
		}
		ends := "never"
		switch {
		case t.Expired(time.Now()):
			ends = "expired"
		case !t.Expires.IsZero():
			ends = t.Expires.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Name, t.Role, t.Created.Format(time.DateOnly), ends)
	}
	return w.Flush()
}

// tokenRevokeCmd is `starquake token revoke`.
type tokenRevokeCmd struct {
	Name string `arg:"" help:"The token's name."`
	dataFlag
}

// Run removes a token.
func (c *tokenRevokeCmd) Run(sh *shell) (err error) {
	st, err := c.openStore()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := auth.NewTokens(st).Revoke(c.Name); err != nil {
		if errors.Is(err, auth.ErrNoToken) {
			return asInvalid(err)
		}
		return errored("%w", err)
	}
	fmt.Fprintf(sh.out, "token %s is revoked\n", c.Name)
	return nil
}
