// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"context"
	"encoding/hex"
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// floor is what reading and writing a traceparent costs at least: the header maps, one Go context for what
// arrived, one string and one slice for what leaves. It trusts what it reads, knows one kind of carrier, and
// has no other duty: nobody could use it.
func floor() peer { return peer{"floor", passFloor} }

type floorKey struct{}

type floorNode struct {
	context.Context
	sc trace.SpanContext
}

func (n *floorNode) Value(key any) any {
	if key == (floorKey{}) {
		return n
	}
	return n.Context.Value(key)
}

func passFloor(in, out http.Header) error {
	floorInject(floorExtract(context.Background(), in), out)
	return nil
}

//go:noinline
func floorExtract(ctx context.Context, in http.Header) context.Context {
	values := in["Traceparent"]
	if len(values) == 0 || len(values[0]) != 55 {
		return ctx
	}
	if len(in["Tracestate"]) > 0 {
		return ctx
	}
	text := []byte(values[0])
	cfg := trace.SpanContextConfig{Remote: true, TraceFlags: trace.TraceFlags(text[54] - '0')}
	if _, err := hex.Decode(cfg.TraceID[:], text[3:35]); err != nil {
		return ctx
	}
	if _, err := hex.Decode(cfg.SpanID[:], text[36:52]); err != nil {
		return ctx
	}
	return &floorNode{Context: ctx, sc: trace.NewSpanContext(cfg)}
}

//go:noinline
func floorInject(ctx context.Context, out http.Header) {
	n, ok := ctx.Value(floorKey{}).(*floorNode)
	if !ok {
		return
	}
	traceID, spanID := n.sc.TraceID(), n.sc.SpanID()
	var buf [55]byte
	b := append(buf[:0], "00-"...)
	b = append(hex.AppendEncode(b, traceID[:]), '-')
	b = append(hex.AppendEncode(b, spanID[:]), '-', '0', '0'+byte(n.sc.TraceFlags()&1))
	out["Traceparent"] = []string{string(b)}
}
