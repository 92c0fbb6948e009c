package main

import (
	"io"
	"os"
	"reflect"

	"github.com/alecthomas/kong"

	"starquake/server/config"
)

// settings are the flags of serve as its configuration file and its variables have them.
// It is the one table: a new flag is a new setting.
func settings(flags []*kong.Flag) (table []config.Setting) {
	for _, f := range flags {
		if f.Name == "config" || f.Name == "check" || f.Name == "help" {
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
			kind = config.List
		case reflect.Map:
			kind = config.Map
		}
		table = append(table, config.Setting{Flag: f.Name, Kind: kind})
	}
	return table
}

// BeforeResolve lets variables and the configuration file say what the command line does
// not, in this order.
func (c *serveCmd) BeforeResolve(ctx *kong.Context) error {
	table := settings(ctx.Selected().Flags)
	said, err := config.Environment(os.LookupEnv, table)
	if err != nil {
		return err
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
