package files

import (
	"math/big"

	"starquake/chaos"
)

// Doc is an orchestration file as it was written: what is not in the file is nil or
// empty here, and defaults are the transpiler's business. Read makes only documents
// that keep to the schema.
type Doc struct {
	Pos     Pos
	Comment Comment
	// Format is "yaml" or "json".
	Format string

	Name, Description     *Str
	Tags                  []Str
	Targets               []Target
	Parallel              *Bool
	LoopOrchestration     *Bool
	MaxIterations         *Num
	Steps                 []Step
	Variables             []Entry
	AdvancedSteps         []Step
	ConditionalSteps      []Conditional
	Hooks                 []Hook
	Assertions            []Assertion
	EnableReporting       *Bool
	ReportPath            *Str
	HasAdvanced, HasSteps bool // the keys are there, whatever they hold
}

// Pos is a stretch of the file. Lines and columns are 1-based, columns count
// characters, and the end is just behind the last one. The zero Pos is no place.
type Pos struct{ Line, Col, EndLine, EndCol int }

// Comment is what a person wrote beside an entry, without "#" and common indentation;
// lines are split by "\n".
type Comment struct {
	// Head stands on the lines above, Line at the end of the line, Foot below, before
	// an empty line or the end.
	Head, Line, Foot string
}

// Str is a string of the file.
type Str struct {
	Pos   Pos
	Value string
}

// Bool is a truth value of the file.
type Bool struct {
	Pos   Pos
	Value bool
}

// Num is a number of the file. It is finite.
type Num struct {
	Pos Pos
	// Text is the number in decimal as Starlark and JSON write it, so that an integer
	// stays one and no digit is lost.
	Text  string
	Value float64
}

// Any is a value of any type: nil, bool, *big.Int, float64, string, []Any or []Entry.
type Any struct {
	Pos   Pos
	Value any
}

// Int returns the integer that v is, or nil.
func (v Any) Int() *big.Int {
	n, _ := v.Value.(*big.Int)
	return n
}

// Entry is one key of a mapping, in the order of the file.
type Entry struct {
	Key     Str
	Value   Any
	Comment Comment
}

// Target is an entry of targets.
type Target struct {
	Name                       Str
	Listen, Upstream, Protocol *Str
	TLS                        *Any // a mapping; nil: TLS passes through
	Comment                    Comment
}

// Step is an entry of steps, of advanced_steps, or of a conditional step's branches.
type Step struct {
	Pos     Pos
	Comment Comment

	Name               Str
	Scenario           *Scenario // nil: it only waits
	DurationSeconds    *Num
	DelayBeforeSeconds *Num
	ContinueOnFailure  *Bool
	Target             []Str // nil: every target

	// Of advanced steps.
	Condition           *Condition
	PreHooks, PostHooks []Hook
	Assertions          []Assertion
	Variables           []Entry
	TimeoutSeconds      *Num
	Retry               *Retry
}

// Scenario is what a step does.
type Scenario struct {
	Pos     Pos
	Comment Comment

	Name, Description  *Str
	Config             *Config // nil: the predefined scenario of that name
	DurationSeconds    *Num
	Tags               []Str
	StartTime, EndTime *Str
}

// Config is a chaos configuration.
type Config struct {
	Pos     Pos
	Comment Comment
	// Entries are the keys as written, checked against the table of the config blocks.
	Entries []Entry
	// Plain is the same as chaos.FromConfig reads it.
	Plain map[string]any
	// faults are what chaos.FromConfig made of Plain when the file was read; nil if it was
	// not asked.
	faults *[]chaos.Fault
}

// Retry is how often an advanced step is tried.
type Retry struct {
	Pos                Pos
	MaxAttempts        *Num
	DelaySeconds       *Num
	ExponentialBackoff *Bool
}

// Conditional is an entry of conditional_steps.
type Conditional struct {
	Pos                  Pos
	Comment              Comment
	Name                 Str
	Condition            Condition
	ThenSteps, ElseSteps []Step
}

// Condition is a condition; Type says which fields it has.
type Condition struct {
	Pos     Pos
	Comment Comment
	Type    Str

	Variable   *Str        // the comparisons, exists
	Value      *Any        // the comparisons
	Conditions []Condition // and, or
	Condition  *Condition  // not
	MetricName *Str        // metric_threshold, with the two below
	Operator   *Str
	Threshold  *Num
}

// Hook is a list of actions at one moment.
type Hook struct {
	Pos       Pos
	Comment   Comment
	Name      Str
	HookType  *Str // where the place of the hook does not say it
	Actions   []Action
	Condition *Condition
}

// Action is one thing that a hook does; Type says which fields it has.
type Action struct {
	Pos     Pos
	Comment Comment
	Type    Str

	Name           *Str // set_variable, record_metric
	Value          *Any // set_variable, record_metric
	Message, Level *Str // log
	URL, Method    *Str // http_request
	Body           *Any // http_request
	Command        *Str // command
	Args           []Str
}

// Assertion is checked at the end of its step or run; Type says which fields it has.
type Assertion struct {
	Pos     Pos
	Comment Comment
	Type    Str

	Variable  *Str // variable_equals
	Expected  *Any
	Metric    *Str // metric_in_range
	Min, Max  *Num
	StepName  *Str       // step_succeeded, step_failed
	Condition *Condition // condition
}
