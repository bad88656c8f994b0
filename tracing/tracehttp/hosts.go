// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/propagation"
)

// WithTraceHosts lists the hosts that [NewTransport] sends trace headers to, x-request-id among them. A
// request to any other host gets a client span, but none of the headers that the propagator's Fields
// method lists, none of any format of package propagation, and no baggage: also those that are on the
// request already, as in a proxy that copies headers, are left out of what is sent.
//
// A pattern is
//
//   - the name of a host, such as "api.example.com";
//   - "*.example.com": all names below example.com, however deep, but not example.com itself;
//   - an IP address, "10.0.0.1" or "2001:db8::1", in any notation of the same address;
//   - "*": all hosts.
//
// Each may have a port, as in "api.example.com:8443" and "[2001:db8::1]:80"; it then matches that port
// only. Without one it matches all. 80 is the port of an http URL that has none, and 443 of an https one.
// Case, and a dot at the end, do not matter. Names with other letters than ASCII must stand in the pattern
// as they do in the URL, and are best listed in both forms, "bücher.example" and "xn--bcher-kva.example".
//
// It is the host of the request's URL that counts, which is where the request goes, and not its Host
// header; a URL whose opaque part names another one matches no pattern but "*". Each redirect of an
// [http.Client] is a request of its own. Requests that [WithFilter] leaves untraced are not touched.
//
// The default is all hosts. Given without any pattern, no host gets the headers. A pattern that can match
// nothing, such as a URL, does so: it is logged once, by slog.Default(), when the transport is made. Several
// of these options add up. In [NewHandler] it does nothing.
func WithTraceHosts(patterns ...string) Option {
	return optionFunc(func(c *config) { c.traceHosts = c.traceHosts.with("WithTraceHosts", patterns) })
}

// WithBaggageHosts lists the hosts that [NewTransport] sends baggage to, with the patterns of
// [WithTraceHosts]: baggage may hold what only some of one's own services should see. Baggage is the
// headers baggage, jaeger-baggage, uberctx-* and ot-baggage-*. To all other hosts they are not sent, also
// where they are on the request already.
//
// The default is the hosts of WithTraceHosts, and all hosts where that is not given either. With both
// options a host may get the one, the other or both.
func WithBaggageHosts(patterns ...string) Option {
	return optionFunc(func(c *config) { c.baggageHosts = c.baggageHosts.with("WithBaggageHosts", patterns) })
}

// hostList is a list of allowed hosts. Nil allows all, an empty one none.
type hostList struct {
	hosts []hostPattern
	bad   []badPattern
}

type badPattern struct{ option, pattern string }

// hostPattern matches a host. An empty name is any.
type hostPattern struct {
	name   string // normal; of names below a domain the domain with its first dot
	suffix bool
	port   string // "": any
}

// with returns the list with patterns added.
func (l *hostList) with(option string, patterns []string) *hostList {
	if l == nil {
		l = &hostList{}
	}
	for _, s := range patterns {
		if p, ok := parseHostPattern(s); ok {
			l.hosts = append(l.hosts, p)
		} else {
			l.bad = append(l.bad, badPattern{option, s})
		}
	}
	return l
}

// warn logs the patterns that match nothing.
func (l *hostList) warn() {
	if l == nil {
		return
	}
	for _, b := range l.bad {
		slog.Warn("spandrel: tracehttp: "+b.option+": the pattern matches no host and is ignored", "pattern", b.pattern)
	}
}

func parseHostPattern(s string) (p hostPattern, ok bool) {
	host, port, ok := cutPort(s)
	if !ok {
		return p, false
	}
	p.port = port
	if host == "*" {
		return p, true
	}
	rest, below := strings.CutPrefix(host, "*.")
	name, isIP, ok := normalHost(rest)
	switch {
	case !ok || below && isIP:
		return p, false
	case below:
		p.name, p.suffix = "."+name, true
	default:
		p.name = name
	}
	return p, true
}

// cutPort splits a pattern. A bare IPv6 address has no port.
func cutPort(s string) (host, port string, ok bool) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, "", true
	}
	host = s
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
		if !isPort(port) {
			return "", "", false
		}
	}
	if inner, found := strings.CutPrefix(host, "["); found {
		if host, found = strings.CutSuffix(inner, "]"); !found || !strings.Contains(host, ":") {
			return "", "", false
		}
	}
	return host, port, true
}

// isPort reports whether s is a port as net/url leaves it: 1 to 65535, without zeros in front.
func isPort(s string) bool {
	addr, err := netip.ParseAddrPort("0.0.0.0:" + s)
	return err == nil && addr.Port() > 0 && s[0] != '0'
}

// normalHost returns the one form of a name or an address by which hosts are compared. It reports false
// for what is neither. Letters beyond ASCII are compared as they are: to lower them could make two hosts
// one, which a resolver keeps apart.
func normalHost(s string) (host string, isIP, ok bool) {
	name := strings.TrimSuffix(s, ".")
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Unmap().String(), true, name == s
	}
	b := []byte(name)
	label := 0 // its length so far
	for i, c := range b {
		switch {
		case 'A' <= c && c <= 'Z':
			b[i] = c - 'A' + 'a'
		case c == '.':
			if label == 0 {
				return "", false, false
			}
			label = -1
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c >= 0x80:
		default:
			return "", false, false
		}
		label++
	}
	return string(b), false, label > 0
}

// allows reports whether u leads to one of the hosts.
func (l *hostList) allows(u *url.URL) bool {
	if l == nil {
		return true
	}
	if u == nil {
		return false
	}
	port := u.Port()
	switch {
	case port != "":
	case strings.EqualFold(u.Scheme, "http"):
		port = "80"
	case strings.EqualFold(u.Scheme, "https"):
		port = "443"
	}
	host, isIP, ok := normalHost(u.Hostname())
	ok = ok && isForHost(u.Opaque, u.Host)
	return slices.ContainsFunc(l.hosts, func(p hostPattern) bool {
		switch {
		case p.port != "" && p.port != port:
			return false
		case p.name == "":
			return true
		case p.suffix:
			return ok && !isIP && strings.HasSuffix(host, p.name)
		default:
			return ok && host == p.name
		}
	})
}

// isForHost reports whether the opaque part of a URL, which is sent as it stands, asks for what is on host: it is
// empty, a path, or that host and a path. A proxy goes where it says, and not to host.
func isForHost(opaque, host string) bool {
	rest, found := strings.CutPrefix(opaque, "//")
	if !found {
		return opaque == "" || opaque[0] == '/'
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	return strings.EqualFold(rest, host)
}

// inject writes the headers that the host of the request may get, and removes the others.
func (c *config) inject(ctx context.Context, r *http.Request) {
	carrier := otelpropagation.HeaderCarrier(r.Header)
	trace := c.traceHosts.allows(r.URL)
	bag := trace
	if c.baggageHosts != nil {
		bag = c.baggageHosts.allows(r.URL)
	}
	switch {
	case trace && bag:
		c.propagator.Inject(ctx, carrier)
	case trace:
		c.propagator.Inject(baggage.ContextWithoutBaggage(ctx), carrier)
		removeHeaders(r.Header, isBaggage)
	default:
		// Of what the propagator writes only what is known to be baggage is taken over.
		written := r.Header.Clone()
		if bag {
			c.propagator.Inject(ctx, otelpropagation.HeaderCarrier(written))
		}
		removeHeaders(r.Header, c.isTrace)
		for name, values := range written {
			if bag && isBaggage(name) {
				r.Header[name] = values
			}
		}
	}
}

// traceFields returns the canonical names of all trace headers: those of p, and those of all formats. What a
// proxy copies need not be in a format that it writes itself.
func traceFields(p otelpropagation.TextMapPropagator) map[string]bool {
	fields := append(p.Fields(), "jaeger-debug-id") // which forces Jaeger's clients to sample
	all, err := propagation.New(propagation.Config{Inject: []string{
		"w3c", "b3", "b3-single", "jaeger", "ot", "datadog", "aws", "gcp", "instana",
	}})
	if err == nil { // there are such formats
		fields = append(fields, all.Fields()...)
	}
	names := make(map[string]bool, len(fields))
	for _, name := range fields {
		names[http.CanonicalHeaderKey(name)] = true
	}
	return names
}

// isTrace reports whether a header, in whatever case, is a trace header or baggage. There are traceFields.
func (c *config) isTrace(name string) bool {
	return c.traceFields[http.CanonicalHeaderKey(name)] || isBaggage(name)
}

// withoutTrace returns h without trace headers and baggage. It leaves h as it is, which is the server's.
func (c *config) withoutTrace(h http.Header) http.Header {
	kept := make(http.Header, len(h))
	for name, values := range h {
		if !c.isTrace(name) {
			kept[name] = values
		}
	}
	return kept
}

// removeHeaders removes headers by name, in whatever case that is: net/http sends it as it stands.
func removeHeaders(h http.Header, remove func(name string) bool) {
	for name := range h {
		if remove(name) {
			delete(h, name)
		}
	}
}

// isBaggage reports whether a header is one of baggage, in any format of package propagation.
func isBaggage(name string) bool {
	return strings.EqualFold(name, "baggage") || strings.EqualFold(name, "jaeger-baggage") ||
		hasPrefixFold(name, "uberctx-") || hasPrefixFold(name, "ot-baggage-")
}

func hasPrefixFold(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
