package effects

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"starquake/runtime/journal"
)

// classify turns the error of a connection or a request into one of the codes of
// the package comment. The message leaves out what the arguments say already, and
// thereby URLs with secrets in them.
func classify(err error) *journal.EffectError {
	err = unwrapURL(err)
	var p *journal.EffectError
	if errors.As(err, &p) {
		return p // the policy, or our own time-out
	}
	return &journal.EffectError{Code: codeOf(err), Message: err.Error()}
}

// codeOf finds the code, from the most certain sign to the least.
func codeOf(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return CodeDNS
	case isTLS(err):
		return CodeTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return CodeRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), isStreamReset(err):
		return CodeReset
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return CodeTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return CodeEOF
	case errors.Is(err, context.Canceled):
		return CodeStopped
	}
	return CodeFailed
}

// isTLS reports whether the handshake failed, or the other side speaks no TLS.
func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		host   x509.HostnameError
		issuer x509.UnknownAuthorityError
		cert   x509.CertificateInvalidError
		op     *net.OpError
	)
	if errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &host) || errors.As(err, &issuer) || errors.As(err, &cert) {
		return true
	}
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return true // an alert
	}
	// The rest of crypto/tls and net/http has no types for it.
	text := err.Error()
	return strings.HasPrefix(text, "tls: ") || strings.Contains(text, "HTTP response to HTTPS client")
}

// isStreamReset reports whether an HTTP/2 stream or its connection was reset. The
// types are not exported by net/http.
func isStreamReset(err error) bool {
	text := err.Error()
	return strings.Contains(text, "stream error: ") || strings.Contains(text, "server sent GOAWAY")
}

// unwrapURL takes off a *url.Error, which repeats method and URL.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
