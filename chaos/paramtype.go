package chaos

// ParamType is the type of a parameter and says how Fault.Params holds it.
type ParamType string

// The types of parameters.
const (
	TypeDuration  ParamType = "duration"  // Value, nanoseconds
	TypeShare     ParamType = "share"     // Value, 0..1
	TypePercent   ParamType = "percent"   // Value, 0..100
	TypeNumber    ParamType = "number"    // Value
	TypeInt       ParamType = "int"       // Value, whole; between its ends a ramp is rounded
	TypeSize      ParamType = "size"      // Value, bytes
	TypeBandwidth ParamType = "bandwidth" // Value, bytes per second

	TypeString  ParamType = "string"  // string
	TypeStrings ParamType = "strings" // []string; written as one string or a list
	TypeCodes   ParamType = "codes"   // []int, one or more; written as one number or a list
	TypeHeaders ParamType = "headers" // map[string]string
	TypeRange   ParamType = "range"   // [2]Value of durations, the smaller first

	TypeGRPCCodes    ParamType = "grpc_codes"    // []int, 0 to 16; written as names, numbers or HTTP statuses
	TypeGraphQLCodes ParamType = "graphql_codes" // []string; written as names or HTTP statuses

	TypeJSON    ParamType = "json"     // json.RawMessage in the form of canonicalJSON
	TypeProbe   ParamType = "probe"    // json.RawMessage likewise: a probe as package effects reads it
	TypeArgvs   ParamType = "commands" // [][]string: programs with their arguments, one after the other
	TypeRequest ParamType = "request"  // HTTPCall
)

// numeric reports whether the type's Go type is Value.
func (t ParamType) numeric() bool {
	switch t {
	case TypeDuration, TypeShare, TypePercent, TypeNumber, TypeInt, TypeSize, TypeBandwidth:
		return true
	}
	return false
}

// expected names the type in an error.
func (t ParamType) expected() string {
	switch t {
	case TypeInt:
		return "a whole number"
	case TypeStrings:
		return "a string or a list of strings"
	case TypeCodes:
		return "a status or a list of them"
	case TypeHeaders:
		return "a dict of header names and values"
	case TypeRange:
		return "two durations, the smaller first"
	case TypePercent:
		return "a percentage"
	case TypeGRPCCodes:
		return `a gRPC code such as "UNAVAILABLE" or 14, or a list of them`
	case TypeGraphQLCodes:
		return `an error code such as "NOT_FOUND", or a list of them`
	case TypeJSON:
		return "what JSON can hold"
	case TypeProbe:
		return "a probe"
	case TypeArgvs:
		return `a program and its arguments such as ["systemctl", "stop", "redis"], or a list of such lists`
	case TypeRequest:
		return `a URL, or a dict with "url" and perhaps "method", "headers", "body", "expect", "timeout"`
	}
	return "a " + string(t)
}

// sigType is the word of the signature notation for a type.
func sigType(t ParamType) string {
	switch t {
	case TypeStrings:
		return "string|list"
	case TypeCodes:
		return "int|list"
	case TypeGRPCCodes, TypeGraphQLCodes:
		return "string|int|list"
	case TypeHeaders:
		return "dict"
	case TypeRange:
		return "tuple|list"
	case TypeJSON:
		return "any"
	case TypeArgvs:
		return "list"
	case TypeRequest:
		return "string|dict"
	}
	return string(t)
}
