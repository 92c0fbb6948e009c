package chaos

import (
	"strings"
)

// Takes names the types that a script or a file may write for the parameter, as the
// reference shows them: "duration or ramp".
func (spec *ParamSpec) Takes() string {
	words := strings.ReplaceAll(sigType(spec.Type), "|", " or ")
	if spec.Type == TypeRange {
		words = "two durations"
	}
	if spec.Ramp {
		words += " or ramp"
	}
	return words
}

// Accepts says what the parameter may be within its type, in its unit: "0s to 1d",
// `"keep", "reset"`; empty is anything.
func (spec *ParamSpec) Accepts() string {
	if len(spec.Choices) > 0 {
		return `"` + strings.Join(spec.Choices, `", "`) + `"`
	}
	switch spec.Type {
	case TypeString:
		if spec.Max > 0 {
			return plain(spec.Min) + " to " + plain(spec.Max) + " bytes"
		}
		return ""
	case TypeShare:
		return "0% to 100%"
	case TypeGRPCCodes:
		return "names, 0 to 16, or HTTP statuses that are mapped"
	case TypeGraphQLCodes:
		return "names, or HTTP statuses that are mapped"
	}
	if spec.Min == 0 && spec.Max == 0 {
		return ""
	}
	text := spec.Type.format(spec.Min) + " to " + spec.Type.format(spec.Max)
	if spec.fromHTTP != nil {
		text += ", or HTTP statuses that are mapped"
	}
	return text
}
