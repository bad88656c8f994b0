// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"strconv"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
)

func BenchmarkAppendSpan(b *testing.B) {
	for _, n := range []int{0, 5, 20} {
		b.Run(strconv.Itoa(n)+" attributes", func(b *testing.B) {
			e := newExporter(b)
			d := newSpan()
			d.Scope = &tracing.Scope{Name: "shop/cart"}
			for i := range n {
				d.Attributes = append(d.Attributes, attribute.String("http.request.header."+strconv.Itoa(i), "some value"))
			}
			dst := make([]byte, 0, 8<<10)
			b.ReportAllocs()
			for b.Loop() {
				dst = e.AppendSpan(dst[:0], d)
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}
