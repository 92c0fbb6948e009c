package ws

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Field is the field of the handshake that extensions are offered and accepted in.
const Field = "Sec-WebSocket-Extensions"

// deflate is the name of the extension that is known here, and the others are the
// parameters by which each message stands for itself.
const (
	deflate       = "permessage-deflate"
	serverForgets = "server_no_context_takeover"
	clientForgets = "client_no_context_takeover"
)

// Agreement is what both sides have agreed on about their messages.
type Agreement struct {
	// Opaque: there is an extension that is not known here.
	Opaque bool
	// Deflate: messages may be compressed.
	Deflate bool
	// ClientForgets and ServerForgets: each message of that side is compressed by
	// itself. Without it no message can be left out or changed, since those after it
	// refer to it.
	ClientForgets, ServerForgets bool
}

// Agreed reads the values of the field in an answer.
func Agreed(values []string) (a Agreement) {
	for _, ext := range extensions(values) {
		if ext.name != deflate || a.Deflate {
			a.Opaque = true
			continue
		}
		a.Deflate = true
		a.ClientForgets, a.ServerForgets = ext.has(clientForgets), ext.has(serverForgets)
	}
	return a
}

// Offer rewrites the values of the field in a request so that each message will stand
// for itself, whatever is accepted of them. It is empty if nothing can be offered.
func Offer(values []string) string {
	var offers []string
	for _, ext := range extensions(values) {
		if ext.name == deflate {
			offers = append(offers, ext.with(serverForgets, clientForgets))
		}
	}
	return strings.Join(offers, ", ")
}

// Accept rewrites the values of the field in the answer to what Offer made, so that the
// client's messages stand for themselves too, which a server need not ask for.
func Accept(values []string) string {
	var accepted []string
	for _, ext := range extensions(values) {
		if ext.name == deflate {
			accepted = append(accepted, ext.with(clientForgets))
		} else {
			accepted = append(accepted, ext.text)
		}
	}
	return strings.Join(accepted, ", ")
}

// extension is one of a list: its text, and its parts in small letters.
type extension struct {
	text, name string
	params     []string
}

// extensions reads a list. What is quoted may have any sign in it.
func extensions(values []string) (list []extension) {
	for _, value := range values {
		for _, text := range split(value, ',') {
			parts := split(text, ';')
			ext := extension{text: strings.TrimSpace(text), name: strings.ToLower(strings.TrimSpace(parts[0]))}
			if ext.name == "" {
				continue
			}
			for _, p := range parts[1:] {
				ext.params = append(ext.params, strings.ToLower(strings.TrimSpace(p)))
			}
			list = append(list, ext)
		}
	}
	return list
}

// split cuts text at each sep that is not inside quotes.
func split(text string, sep byte) (parts []string) {
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

func (e *extension) has(param string) bool {
	for _, p := range e.params {
		if p == param {
			return true
		}
	}
	return false
}

// with returns the extension's text with params, as far as it does not have them.
func (e *extension) with(params ...string) string {
	text := e.text
	for _, p := range params {
		if !e.has(p) {
			text += "; " + p
		}
	}
	return text
}

// ErrTooLong is returned for a message that takes more room than is allowed.
var ErrTooLong = errors.New("the message is too long")

// Inflate unpacks the payload of a compressed message that stands for itself; most
// bounds the result.
func Inflate(payload []byte, most int) ([]byte, error) {
	// What every message ends with and does not say, and an empty last block.
	const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	r := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(tail)))
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("a compressed message cannot be read: %w", err)
	case len(text) > most:
		return nil, ErrTooLong
	}
	return text, nil
}
