package chaos

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"regexp/syntax"
	"strings"
)

// Match narrows a fault to some requests: all that is given must hold. The zero Match
// fits everything. Of a connection that is not parsed (tcp) only the source and the
// counts can hold; a fault that asks for more does not meet it.
//
// Where text is said to be a pattern it is a glob or, after "re:", an RE2 pattern that
// fits anywhere unless it is anchored. In a glob "*" is any part of one segment and
// "**" anything; segments end at "/" in paths, at "." in hosts, and nowhere else
// besides. A glob fits the whole text.
type Match struct {
	// Method is one of these, in capitals; empty fits all.
	Method []string `json:"method,omitempty"`
	// Path is a pattern. It is held against the path alone, percent-decoded, without
	// query. "/**" at the end also fits without anything after it, and "/**/" also
	// fits one slash.
	Path string `json:"path,omitempty"`
	// Host is a pattern, held against Host or :authority without regard to case; the
	// port belongs to it only if the pattern has one.
	Host string `json:"host,omitempty"`
	// Headers are patterns by the name of a field, in small letters. A field that
	// comes several times has to fit once.
	Headers map[string]string `json:"headers,omitempty"`
	// Query are patterns by the name of a parameter, both decoded; likewise.
	Query map[string]string `json:"query,omitempty"`
	// Source is one of these networks ("10.0.0.0/8") or addresses; empty is any.
	Source []string `json:"source,omitempty"`
	// BodySize bounds Content-Length, both ends included. A request without a body has
	// 0, one whose length is not announced does not fit.
	BodySize *SizeRange `json:"body_size,omitempty"`
	// Chunked says whether the body comes in chunks of unknown number. On HTTP/2 that
	// is a body without content-length.
	Chunked *bool `json:"chunked,omitempty"`
	// GRPCMethod is a pattern for "package.Service/Method" of a gRPC call.
	GRPCMethod string `json:"grpc_method,omitempty"`
	// GraphQLOperation is a pattern for the name of a GraphQL operation. A batch fits if
	// one of its operations fits this and GraphQLType.
	GraphQLOperation string `json:"graphql_operation,omitempty"`
	// GraphQLType is "query", "mutation" or "subscription"; empty is any. Of a persisted
	// operation only the name is known.
	GraphQLType string `json:"graphql_type,omitempty"`
	// After leaves out that many of the requests that fit the above.
	After uint64 `json:"after,omitempty"`
	// First ends with that many of those that are left; 0 is no end.
	First uint64 `json:"first,omitempty"`
	// Every takes each n-th of those that are left, beginning with the n-th; 0 is all.
	Every uint64 `json:"every,omitempty"`
}

// The bounds of a match. A pattern's compiled form grows with its text.
const (
	maxPattern = 4096
	maxFields  = 64
)

// Matcher is a Match made ready. It has no state and may be shared.
type Matcher struct {
	match   Match
	methods [][]byte
	path    textPattern
	host    textPattern
	// hostPort says that the pattern of the host has a port.
	hostPort         bool
	headers, query   []namedPattern
	source           []netip.Prefix
	grpcMethod       textPattern
	graphqlOperation textPattern
	graphqlType      []byte
	// parsed says that anything is asked for that only a parsed request has, more that
	// anything but method and path is.
	parsed, more bool
}

// namedPattern is a pattern for the value of a field or parameter.
type namedPattern struct {
	name    []byte
	bit     uint64 // nameBit(name)
	pattern textPattern
}

// Compile makes m ready, or says what is wrong with it. A nil Match fits everything.
func (m *Match) Compile() (*Matcher, error) {
	if m == nil {
		return &Matcher{}, nil
	}
	c := &Matcher{match: *m}
	for _, method := range m.Method {
		if method == "" || len(method) > 64 || strings.ContainsFunc(method, func(r rune) bool { return !isToken(r) || 'a' <= r && r <= 'z' }) {
			return nil, fmt.Errorf("match method %s: expected a method in capitals, such as \"GET\"", describe(method))
		}
		c.methods = append(c.methods, []byte(method))
	}
	if len(m.Method) > maxFields {
		return nil, fmt.Errorf("match method has %d methods: expected at most %d", len(m.Method), maxFields)
	}
	if m.Path != "" && !strings.HasPrefix(m.Path, "/") && !strings.HasPrefix(m.Path, "*") && !strings.HasPrefix(m.Path, "re:") {
		return nil, fmt.Errorf("match path %s: expected a glob that begins with \"/\" or \"*\", or \"re:\" and a pattern", describe(m.Path))
	}
	if err := c.compilePatterns(m); err != nil {
		return nil, err
	}
	if err := c.compileSource(m.Source); err != nil {
		return nil, err
	}
	if s := m.BodySize; s != nil && (s.Min < 0 || s.Max < s.Min) {
		return nil, fmt.Errorf("match body_size is %s: expected two sizes, the smaller first", s)
	}
	switch m.GraphQLType {
	case "":
	case "query", "mutation", "subscription":
		c.graphqlType = []byte(m.GraphQLType)
	default:
		return nil, fmt.Errorf("match graphql_type %s: expected query, mutation or subscription", describe(m.GraphQLType))
	}
	parsed := *m
	parsed.Source, parsed.After, parsed.First, parsed.Every = nil, 0, 0, 0
	c.parsed = !parsed.isZero()
	parsed.Method, parsed.Path, parsed.Source = nil, "", m.Source
	c.more = !parsed.isZero()
	return c, nil
}

// isZero reports whether m fits everything.
func (m *Match) isZero() bool {
	return len(m.Method) == 0 && len(m.Headers) == 0 && len(m.Query) == 0 && len(m.Source) == 0 && reflect.ValueOf(Match{
		Path: m.Path, Host: m.Host, BodySize: m.BodySize, Chunked: m.Chunked, GRPCMethod: m.GRPCMethod,
		GraphQLOperation: m.GraphQLOperation, GraphQLType: m.GraphQLType, After: m.After, First: m.First, Every: m.Every,
	}).IsZero()
}

func (c *Matcher) compilePatterns(m *Match) (err error) {
	// A service's methods are segments, like those of a path.
	for _, p := range []struct {
		name, text string
		sep        byte
		fold       bool
		into       *textPattern
	}{
		{"path", m.Path, '/', false, &c.path},
		{"host", m.Host, '.', true, &c.host},
		{"grpc_method", strings.TrimPrefix(m.GRPCMethod, "/"), '/', false, &c.grpcMethod},
		{"graphql_operation", m.GraphQLOperation, 0, false, &c.graphqlOperation},
	} {
		if *p.into, err = compileText("match "+p.name, p.text, p.sep, p.fold); err != nil {
			return err
		}
	}
	c.hostPort = asksForPort(m.Host)
	if c.headers, err = compileNamed("headers", m.Headers, true); err != nil {
		return err
	}
	c.query, err = compileNamed("query", m.Query, false)
	return err
}

// asksForPort reports whether the pattern of a host has a port: a colon that is text, and no
// part of an IPv6 address.
func asksForPort(host string) bool {
	if expression, ok := strings.CutPrefix(host, "re:"); ok {
		tree, err := syntax.Parse(expression, syntax.Perl)
		if err != nil {
			return false // it has not compiled
		}
		host = literalText(tree)
	}
	return strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":")
}

// literalText returns the text in an expression, without what stands for other text.
func literalText(tree *syntax.Regexp) string {
	if tree.Op == syntax.OpLiteral {
		return string(tree.Rune)
	}
	var text strings.Builder
	for _, part := range tree.Sub {
		text.WriteString(literalText(part))
	}
	return text.String()
}

func compileNamed(what string, patterns map[string]string, header bool) ([]namedPattern, error) {
	if len(patterns) > maxFields {
		return nil, fmt.Errorf("match %s has %d entries: expected at most %d", what, len(patterns), maxFields)
	}
	var out []namedPattern
	for _, name := range sortedKeys(patterns) {
		if header && (name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) })) {
			return nil, fmt.Errorf("match %s: %s is no header name", what, describe(name))
		}
		if len(name) > maxPattern {
			return nil, fmt.Errorf("match %s: a name of %d characters: expected at most %d", what, len(name), maxPattern)
		}
		p, err := compileText("match "+what+" "+name, patterns[name], 0, false)
		if err != nil {
			return nil, err
		}
		if patterns[name] == "" {
			p.form = textExact // an empty value is meant, not any
		}
		if header {
			name = asciiLower(name)
		}
		out = append(out, namedPattern{[]byte(name), nameBit([]byte(name)), p})
	}
	return out, nil
}

func (c *Matcher) compileSource(networks []string) error {
	if len(networks) > maxItems {
		return fmt.Errorf("match source has %d networks: expected at most %d", len(networks), maxItems)
	}
	for _, text := range networks {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, aerr := netip.ParseAddr(text)
			if aerr != nil || addr.Zone() != "" {
				return fmt.Errorf("match source %s: expected a network such as \"10.0.0.0/8\", or an address", describe(text))
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if a := prefix.Addr(); a.Is4In6() {
			if prefix.Bits() < 96 {
				return fmt.Errorf("match source %s: expected an IPv4 network, and no ::ffff: in front of it", describe(text))
			}
			prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
		}
		c.source = append(c.source, prefix)
	}
	return nil
}

// Parsed reports whether m asks for something that only a parsed request has.
func (c *Matcher) Parsed() bool { return c.parsed }

// NeedsGraphQL reports whether m looks at the GraphQL fields of a Request, which take
// reading its body.
func (c *Matcher) NeedsGraphQL() bool {
	return c.graphqlOperation.form != textAny || c.graphqlType != nil
}

// FitsConn reports whether a connection that is not parsed fits, by its source.
func (c *Matcher) FitsConn(source netip.Addr) bool {
	return !c.parsed && (len(c.source) == 0 || c.fitsSource(plainAddr(source)))
}

// Fits reports whether everything but the counts holds for req. It allocates nothing
// but, once for each request, the path if that is percent-encoded.
func (c *Matcher) Fits(req *Request) bool { return c.FitsHead(req) && c.FitsOperations(req) }

// FitsHead is Fits without what NeedsGraphQL is about.
func (c *Matcher) FitsHead(req *Request) bool {
	if len(c.methods) > 0 && !c.fitsMethod(req.Method) {
		return false
	}
	if c.path.form != textAny && !c.path.fits(req.Path()) {
		return false
	}
	return !c.more || c.fitsMore(req)
}

// FitsOperations reports whether what FitsHead leaves out holds: one of the operations fits.
func (c *Matcher) FitsOperations(req *Request) bool {
	if !c.NeedsGraphQL() {
		return true
	}
	for i := range req.Operations {
		if c.FitsOperation(&req.Operations[i]) {
			return true
		}
	}
	return false
}

// FitsOperation reports whether an operation fits. Of a batch a fault acts on those that
// do, as far as it can.
func (c *Matcher) FitsOperation(op *Operation) bool {
	return (c.graphqlType == nil || bytes.Equal(c.graphqlType, op.Type)) && c.graphqlOperation.fits(op.Name)
}

func (c *Matcher) fitsMethod(method []byte) bool {
	for _, m := range c.methods {
		if bytes.Equal(m, method) {
			return true
		}
	}
	return false
}

// fitsMore looks at everything but method and path, the cheapest first.
func (c *Matcher) fitsMore(req *Request) bool {
	if want := c.match.Chunked; want != nil && *want != req.Chunked {
		return false
	}
	if size := c.match.BodySize; size != nil && (req.Chunked || req.ContentLength < size.Min || req.ContentLength > size.Max) {
		return false
	}
	if len(c.source) > 0 && !c.fitsSource(req.source()) {
		return false
	}
	if c.grpcMethod.form != textAny && !(req.GRPC && c.grpcMethod.fits(bytes.TrimPrefix(req.Path(), []byte("/")))) {
		return false
	}
	if c.host.form != textAny && !c.host.fits(req.host(c.hostPort)) {
		return false
	}
	for i := range c.headers {
		if !req.fitsHeader(&c.headers[i]) {
			return false
		}
	}
	for i := range c.query {
		if !req.fitsQuery(&c.query[i]) {
			return false
		}
	}
	return true
}

// fitsSource looks for a plainAddr in the networks.
func (c *Matcher) fitsSource(source netip.Addr) bool {
	for i := range c.source {
		if c.source[i].Contains(source) {
			return true
		}
	}
	return false
}

// place returns the place of the n-th request that fits among those for which the counts
// hold, from 0; they hold for it. m may be nil.
func (m *Match) place(n uint64) uint64 {
	if m == nil {
		return n
	}
	return (n - m.After) / max(1, m.Every)
}

// Counts reports whether the counts hold for the n-th request that fits, from 0.
func (c *Matcher) Counts(n uint64) bool {
	m := &c.match
	if n < m.After {
		return false
	}
	n -= m.After
	if m.First > 0 && n >= m.First {
		return false
	}
	return m.Every == 0 || (n+1)%m.Every == 0
}
