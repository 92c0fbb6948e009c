package builtins

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/units"
)

// declaring are the builtins with which a script says what it is and what it takes.
func declaring() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig:    `orchestration(name: string, description: string = "", tags: list = [], owner: string = "", runbook: string = "", max_duration: duration|None = None, environments: list = [])`,
			Doc:    "Says what the orchestration is, at most once. Past max_duration the run is stopped; where environments are named, it is refused in any other.",
			Family: "structure", Phase: dsl.Declaring,
			Ranges: map[string][2]float64{"max_duration": someTime},
			Help: map[string]string{
				"name": "what runs and reports are called", "description": "what it is for; an export takes the docstring where there is none", "tags": "words to find it by",
				"owner": "who answers for it", "runbook": "where to read on when it fails", "max_duration": "after which the run is stopped",
				"environments": "the names of those that it may run in; without any in all",
			},
		}, declares(orchestration)},
		{dsl.Builtin{
			Sig:    `param(name: string, type: string|None = None, default: any = None, min: any = None, max: any = None, choices: list = [], help: string = "")`,
			Doc:    "Declares a parameter and gives its value: from --param name=value, the API or the page, else its default. The type is that of the default, a string without one; without a default the parameter is required. A list is given as a,b or as JSON; in the first form its items have the type of the default's, where those have one, and are strings else.",
			Family: "structure", Phase: dsl.Declaring,
			Choices: map[string][]string{"type": {"string", "int", "float", "bool", "duration", "size", "list", "json"}},
			Help: map[string]string{
				"name": "by which it is given", "type": "without it that of the default", "default": "without one it must be given", "min": "the least that it may be", "max": "the greatest",
				"choices": "all that it may be", "help": "what it is for, shown where it is asked for",
			},
		}, declares(parameter)},
		{dsl.Builtin{
			Sig:     `secret(name: string)`,
			Doc:     "Names a secret. It can be joined to text, formatted and passed to effects, but not read, compared or printed: the journal holds its name, and its text in any answer is replaced before the script sees it. It comes from the environment's secrets, or from the variable STARQUAKE_SECRET_NAME.",
			Planned: "every name is there; its text is not read",
			Family:  "structure",
		}, declares(secret)},
	}
}

// someTime is the range of a duration, in seconds, that must not be 0: where 0 would
// mean that there is no limit, or another.
var someTime = [2]float64{0.001, units.MaxDuration.Seconds()}

func orchestration(c *Call, e *Env) (starlark.Value, error) {
	if e.Meta.declared {
		return nil, c.Errorf("", "stands twice: a script is one orchestration")
	}
	tags, err := c.Strings("tags")
	if err != nil {
		return nil, err
	}
	envs, err := c.Strings("environments")
	if err != nil {
		return nil, err
	}
	e.Meta = Meta{
		Name: c.String("name"), Description: c.String("description"), Tags: tags, Owner: c.String("owner"),
		Runbook: c.String("runbook"), MaxDuration: c.Duration("max_duration"), Environments: envs, declared: true,
	}
	if err := c.nameGiven(); err != nil {
		return nil, err
	}
	planned := e.AnyTarget && e.Environment == "" // a plan needs none
	if len(envs) > 0 && !planned && !slices.Contains(envs, e.Environment) {
		return nil, notGiven(c.Errorf("environments", "this orchestration runs in %s only, and this is %s",
			strings.Join(envs, ", "), orElse(e.Environment, "no environment")).WithHint("give one with --env"))
	}
	if len(envs) > 0 && planned {
		e.notice(c, false, "this orchestration runs in %s only, and no environment is given: run would refuse this; give one with --env", strings.Join(envs, ", "))
	}
	if t := taskOf(c.Thread); t.branch != nil && e.Meta.MaxDuration > 0 {
		t.branch.Run().SetMaxDuration(e.Meta.MaxDuration)
	}
	return starlark.None, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func secret(c *Call, e *Env) (starlark.Value, error) {
	s, err := NewSecret(c.String("name"))
	if err != nil {
		return nil, c.Errorf("name", "%v", err)
	}
	if e.CheckSecret != nil {
		if err := e.CheckSecret(s.name); err != nil {
			return nil, notGiven(c.Errorf("name", "%v", err))
		}
	}
	if !slices.Contains(e.Secrets, s.name) {
		e.Secrets = append(e.Secrets, s.name)
	}
	return s, nil
}

// SecretVariable is the environment variable that holds a secret which no
// environment file defines: "db/password" is STARQUAKE_SECRET_DB_PASSWORD.
func SecretVariable(name string) string {
	return "STARQUAKE_SECRET_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_", "/", "_").Replace(name))
}
