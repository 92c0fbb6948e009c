package chaos

import (
	"errors"
	"fmt"
)

// CheckDisconnect refuses what the disconnecting of clients cannot do: how is "rst" or "fin", and of a
// match only the source can be asked.
func CheckDisconnect(how string, m *Match) error {
	if how != "rst" && how != "fin" {
		return fmt.Errorf(`how is %q: expected "rst" or "fin"`, how)
	}
	matcher, err := m.Compile()
	if err != nil {
		return err
	}
	if matcher.Parsed() || m != nil && (m.After > 0 || m.First > 0 || m.Every > 0) {
		return errors.New("match: connections are told apart by their source alone; use fault.match(source = …)")
	}
	return nil
}
