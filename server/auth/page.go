package auth

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"starquake/internal/loopback"
)

// Page is what a request says of the page in a browser that it may come from.
type Page struct {
	// Host is where the request was sent.
	Host string
	// Origin is the header of that name, Site that of Sec-Fetch-Site; "" if absent.
	Origin, Site string
	// Forwarded says that a proxy has passed the request on: it has Forwarded, Via or one
	// of the X-Forwarded headers.
	Forwarded bool
}

// The ways in which CheckPage refuses.
var (
	ErrForeignHost   = errors.New("the request may come from elsewhere")
	ErrForeignOrigin = errors.New("the request comes from a page of somebody else's")
)

// CheckPage refuses requests that a page of somebody else's makes a browser send. With
// open, requests without a token are an admin's; then what they are sent to must be this
// machine by its own name (a name of somebody else's can be made to resolve to
// 127.0.0.1), and no proxy may bring in others.
//
// Pages of other origins are never let in: CORS is closed.
func CheckPage(p Page, open bool) error {
	if open {
		host := hostOnly(p.Host)
		if !loopback.Is(host) {
			return fmt.Errorf("%w: requests without a token must name this machine as localhost, 127.0.0.1 or [::1], not %q; send a token (Authorization: Bearer TOKEN)", ErrForeignHost, clip(p.Host))
		}
		if p.Forwarded {
			return fmt.Errorf("%w: a proxy has passed it on; send a token (Authorization: Bearer TOKEN)", ErrForeignHost)
		}
	}
	if p.Origin != "" {
		u, err := url.Parse(p.Origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !strings.EqualFold(u.Host, p.Host) || u.Host == "" {
			return fmt.Errorf("%w, %q; only the server's own may use the API from a browser", ErrForeignOrigin, clip(p.Origin))
		}
		return nil
	}
	if p.Site != "" && p.Site != "same-origin" && p.Site != "none" {
		return fmt.Errorf("%w; only the server's own may use the API from a browser", ErrForeignOrigin)
	}
	return nil
}

func hostOnly(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return hostPort
}

// clip bounds what is said of somebody's bytes.
func clip(s string) string {
	if len(s) <= 100 {
		return s
	}
	return strings.ToValidUTF8(s[:100], "") + "…" // a character that is cut in two is none
}
