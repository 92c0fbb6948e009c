package chaos

import (
	"fmt"
	"net"
	"strconv"
)

// maxShown bounds what a message shows of an address that is none.
const maxShown = 60

// CheckUpstream checks "host:port" of something to connect to.
func CheckUpstream(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
		return fmt.Errorf("expected an address to connect to such as \"127.0.0.1:8081\", got %.*q", maxShown, s)
	}
	return nil
}

// CheckAddress checks "host:port"; the host may be empty, the port 0.
func CheckAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected an address such as \"127.0.0.1:8080\", got %.*q", maxShown, s)
	}
	return nil
}
