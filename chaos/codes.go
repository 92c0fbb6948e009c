package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// grpcNames are gRPC's status codes by number.
func grpcNames() []string {
	return []string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
		"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
		"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}
}

// GRPCName returns the name of a gRPC status code: 14 is "UNAVAILABLE".
func GRPCName(code int) string {
	if names := grpcNames(); code >= 0 && code < len(names) {
		return names[code]
	}
	return fmt.Sprintf("CODE_%d", code)
}

// GRPCCode returns the gRPC status code that stands for an HTTP status. A status that
// FAULTS.md does not map is UNKNOWN, and not ok.
func GRPCCode(status int) (code int, ok bool) {
	switch status {
	case 400:
		return 3, true
	case 401:
		return 16, true
	case 403:
		return 7, true
	case 404:
		return 5, true
	case 409:
		return 10, true
	case 429:
		return 8, true
	case 499:
		return 1, true
	case 500:
		return 13, true
	case 501:
		return 12, true
	case 503:
		return 14, true
	case 504:
		return 4, true
	}
	return 2, false
}

// WSCode returns the WebSocket close code that stands for an HTTP status. For a status
// that FAULTS.md does not map it is 1011 (internal error), and not ok.
func WSCode(status int) (code int, ok bool) {
	switch status {
	case 400:
		return 1002, true
	case 408:
		return 1001, true
	case 429:
		return 1008, true
	case 500:
		return 1011, true
	case 503:
		return 1001, true
	}
	return 1011, false
}

// GraphQLCode returns the GraphQL error code that stands for an HTTP status. For a
// status that FAULTS.md does not map it is INTERNAL_SERVER_ERROR, and not ok.
func GraphQLCode(status int) (code string, ok bool) {
	switch status {
	case 400:
		return "BAD_USER_INPUT", true
	case 401:
		return "UNAUTHENTICATED", true
	case 403:
		return "FORBIDDEN", true
	case 404:
		return "NOT_FOUND", true
	case 500:
		return "INTERNAL_SERVER_ERROR", true
	case 503:
		return "SERVICE_UNAVAILABLE", true
	}
	return "INTERNAL_SERVER_ERROR", false
}

// grpcCode reads a code as people write it: its name, its number, or an HTTP status.
func grpcCode(arg any) (int, error) {
	if name, ok := arg.(string); ok {
		if i := slices.Index(grpcNames(), asciiUpper(name)); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("%s is no gRPC code; there are %s", describe(name), strings.Join(grpcNames(), ", "))
	}
	n, ok := wholeNumber(arg)
	switch {
	case !ok:
		return 0, fmt.Errorf("expected %s, found %s", TypeGRPCCodes.expected(), describe(arg))
	case n < 100:
		return n, nil // its range is checked by validate
	}
	code, ok := GRPCCode(n)
	if !ok {
		return 0, fmt.Errorf("no code of gRPC stands for HTTP status %d; write the code's name", n)
	}
	return code, nil
}
