package effects

import (
	"context"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// ask asks one name server, over UDP and, where that answer is cut, over TCP.
func (c *client) ask(ctx context.Context, args *DNSArgs, answer *DNSAnswer) error {
	name := args.Name
	if addr, err := netip.ParseAddr(name); err == nil && args.Type == "PTR" {
		if name, err = dns.ReverseAddr(addr.String()); err != nil {
			return problem(CodeInvalid, "%q has no reverse name: %v", args.Name, err)
		}
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return problem(CodeInvalid, "%q is no domain name", args.Name)
	}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.StringToType[args.Type])
	question.SetEdns0(dns.DefaultMsgSize, false)
	reply, err := c.exchangeDNS(ctx, "udp", args.Server, question)
	if err == nil && reply.Truncated {
		reply, err = c.exchangeDNS(ctx, "tcp", args.Server, question)
	}
	if err != nil {
		return err
	}
	if code, ok := dns.RcodeToString[reply.Rcode]; ok {
		answer.Code = code
	} else {
		return problem(CodeFailed, "the server answered with the unknown response code %d", reply.Rcode)
	}
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype == question.Question[0].Qtype {
			answer.Records = append(answer.Records, recordText(rr))
		}
	}
	return nil
}

// exchangeDNS sends a question on a connection of its own.
func (c *client) exchangeDNS(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	conn, err := c.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // what waits then ends; overdue says why
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	// The client reads with a time-out of its own; ours ends it, by its close.
	client := dns.Client{Net: network, Timeout: DefaultHTTPTimeout * 100}
	reply, _, err := client.ExchangeWithConnContext(ctx, question, &dns.Conn{Conn: conn, UDPSize: dns.DefaultMsgSize})
	return reply, err
}

// recordText is a record's data without its header; of TXT its text, as the system's
// resolver gives it.
func recordText(rr dns.RR) string {
	if txt, ok := rr.(*dns.TXT); ok {
		return strings.Join(txt.Txt, "")
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}
