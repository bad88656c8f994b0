// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// folded is a carrier whose names have one form, as they have in gRPC metadata and in environment
// variables, and that knows one value a name. It has what TextMapCarrier asks for, and no more.
type folded struct {
	values map[string]string
	fold   func(name string) string
	silent bool // Keys tells nothing
}

func (f folded) Get(name string) string { return f.values[f.fold(name)] }

func (f folded) Set(name, value string) { f.values[f.fold(name)] = value }

func (f folded) Keys() (names []string) {
	for name := range f.values {
		if !f.silent {
			names = append(names, name)
		}
	}
	return names
}

// variable makes the name of an environment variable.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// carrierKinds are the carriers that a propagator meets. arrive makes of what Inject wrote what the
// other side reads.
var carrierKinds = []struct {
	name   string
	make   func() propagation.TextMapCarrier
	arrive func(propagation.TextMapCarrier) (propagation.TextMapCarrier, error)
}{
	{name: "a map", make: func() propagation.TextMapCarrier { return propagation.MapCarrier{} }},
	{name: "an http.Header", make: func() propagation.TextMapCarrier { return propagation.HeaderCarrier{} }},
	{
		name:   "an http.Header that was sent",
		make:   func() propagation.TextMapCarrier { return propagation.HeaderCarrier{} },
		arrive: overTheWire,
	},
	{name: "names in lower case", make: func() propagation.TextMapCarrier {
		return folded{values: map[string]string{}, fold: strings.ToLower}
	}},
	{name: "names in upper case", make: func() propagation.TextMapCarrier {
		return folded{values: map[string]string{}, fold: strings.ToUpper}
	}},
	{name: "names of environment variables", make: func() propagation.TextMapCarrier {
		return folded{values: map[string]string{}, fold: variable}
	}},
	{name: "a carrier that does not list its names", make: func() propagation.TextMapCarrier {
		return folded{values: map[string]string{}, fold: strings.ToLower, silent: true}
	}},
}

// overTheWire writes headers as HTTP does, with names in upper case, and reads them again.
func overTheWire(carrier propagation.TextMapCarrier) (propagation.TextMapCarrier, error) {
	h, _ := carrier.(propagation.HeaderCarrier)
	sent := http.Header{}
	for name, values := range h {
		sent[strings.ToUpper(name)] = values
	}
	var wire bytes.Buffer
	if err := sent.Write(&wire); err != nil {
		return nil, fmt.Errorf("propagationtest: write headers: %w", err)
	}
	wire.WriteString("\r\n")
	got, err := textproto.NewReader(bufio.NewReader(&wire)).ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("propagationtest: read headers: %w", err)
	}
	return propagation.HeaderCarrier(got), nil
}

// toHeader copies a map into an http.Header.
func toHeader(m propagation.MapCarrier) http.Header {
	h := http.Header{}
	for name, value := range m {
		h.Set(name, value)
	}
	return h
}
