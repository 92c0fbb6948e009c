package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"starquake/server/config"
)

// settings are the flags of serve as its configuration file and its variables have them.
// It is the one table: a new flag is a new setting.
func settings(flags []*kong.Flag) (table []config.Setting) {
	for _, f := range flags {
		if f.Name == "config" || f.Name == "check" || f.Name == "help" || f.Hidden {
			continue
		}
		kind := config.Text
		switch f.Target.Kind() {
		case reflect.Bool:
			kind = config.Bool
		case reflect.Int:
			kind = config.Integer
		case reflect.Float64:
			kind = config.Number
		case reflect.Slice:
			if kind = config.List; f.Tag.Sep == -1 { // its texts have commas
				kind = config.Long
			}
		case reflect.Map:
			kind = config.Map
		}
		table = append(table, config.Setting{Flag: f.Name, Kind: kind})
	}
	return table
}

// settingsReference is the page of all settings, made of the table.
func settingsReference(flags []*kong.Flag) string {
	kinds := map[config.Kind]string{
		config.Text: "text", config.Bool: "true or false", config.Integer: "whole number", config.Number: "number", config.List: "list of texts", config.Long: "list of texts, in a variable with spaces between them", config.Map: "texts by text",
	}
	cell := strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", "*", "\\*")
	var b strings.Builder
	b.WriteString("<!-- Made by make docs of the flags of starquake serve. Do not edit. -->\n\n# Settings of the server\n\n" +
		"Each is a key of the file that `--config` names, a flag of `starquake serve`, and a variable of the environment. A flag wins over the variable, the variable over the file, " +
		"the file over the default. In a variable a list has commas between its texts, and texts by text are `NAME=VALUE` with commas between them.\n\n" +
		"`--config FILE` and `--check` are flags only.\n\n| key | flag | variable | value | default | what it says |\n|---|---|---|---|---|---|\n")
	byName := map[string]*kong.Flag{}
	for _, f := range flags {
		byName[f.Name] = f
	}
	for _, s := range settings(flags) {
		f := byName[s.Flag]
		value, preset := kinds[s.Kind], ""
		if f.Enum != "" {
			value = "one of " + strings.ReplaceAll(f.Enum, ",", ", ")
		}
		if f.HasDefault {
			preset = "`" + f.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s | %s |\n", s.Key(), s.Flag, s.Variable(), cell.Replace(value), preset, cell.Replace(f.Help))
	}
	return b.String()
}

// BeforeResolve lets variables and the configuration file say what the command line does
// not, in this order.
func (c *serveCmd) BeforeResolve(ctx *kong.Context) error {
	table := settings(ctx.Selected().Flags)
	said, err := config.Environment(os.LookupEnv, table)
	if err != nil {
		return err
	}
	for _, text := range config.Unknown(os.Environ(), table, "STARQUAKE_SECRET_*", "STARQUAKE_TOKEN", "STARQUAKE_URL") {
		fmt.Fprintln(ctx.Stderr, "starquake: warning:", text)
	}
	var filed config.Values
	for _, p := range ctx.Path {
		if p.Flag == nil || p.Flag.Name != "config" {
			continue
		}
		path, _ := ctx.FlagValue(p.Flag).(string)
		text, err := readSettings(path)
		if err != nil {
			return err
		}
		if filed, err = config.Read(path, text, table); err != nil {
			return err
		}
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
		if v, ok := said[f.Name]; ok {
			return v, nil
		}
		if v, ok := filed[f.Name]; ok {
			return v, nil
		}
		return nil, nil
	}))
	return nil
}

// readSettings reads a configuration file, as far as one may be long.
func readSettings(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
