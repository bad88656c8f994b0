// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// dump returns what WriteOpenSpans writes.
func dump(t testing.TB, p *tracing.Provider) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, p.WriteOpenSpans(&b))
	return b.String()
}

func TestWriteOpenSpans(t *testing.T) {
	t.Parallel()
	tracetest.Run(t, func(t *testing.T, r *tracetest.Recorder) {
		p := r.Provider()
		assert.Equal(t, "0 open spans at 2000-01-01T00:00:00.000Z\n", dump(t, p))
		ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
		ctx, root := r.Tracer("orders").StartSpan(ctx, "GET /orders/{id}")
		root.SetAttribute("http.request.method", "GET")
		time.Sleep(1500 * time.Millisecond)
		assert.Equal(t, `1 open span at 2000-01-01T00:00:01.500Z
AGE   START                     NAME              SCOPE   TRACE ID                          SPAN ID           PARENT ID                  ATTRIBUTES
1.5s  2000-01-01T00:00:00.000Z  GET /orders/{id}  orders  aa000000000000000000000000000001  0000000000000001  bb00000000000002 (remote)  http.request.method=GET
`, dump(t, p))
		_, query := r.Tracer("db").StartSpan(ctx, "Größe")
		query.SetAttributes(attribute.String("db.query.text", "SELECT *"), attribute.IntSlice("ids", []int{1, 2}))
		time.Sleep(100*time.Second + 123456789)
		_, lone := r.Tracer("").StartSpan(context.Background(), "")
		time.Sleep(1234567)
		assert.Equal(t, `3 open spans at 2000-01-01T00:01:41.624Z
AGE      START                     NAME              SCOPE    TRACE ID                          SPAN ID           PARENT ID                  ATTRIBUTES
1m41s    2000-01-01T00:00:00.000Z  GET /orders/{id}  orders   aa000000000000000000000000000001  0000000000000001  bb00000000000002 (remote)  http.request.method=GET
1m40s    2000-01-01T00:00:01.500Z  Größe             db       aa000000000000000000000000000001  0000000000000002  0000000000000001           db.query.text="SELECT *" ids=[1,2]
1.234ms  2000-01-01T00:01:41.623Z  ""                default  7370616e6472656c0000000000000001  0000000000000003  -                          -
`, dump(t, p))
		lone.End()
		query.End()
		root.End()
	})
}

// Nothing that a span holds can steer a terminal or break the table.
func TestWriteOpenSpansEscapes(t *testing.T) {
	t.Parallel()
	evil := "\x1b[31m\r\n\tx\v\f\u202e\u2028\u200b\x7f\u009b\x00\xff\"q"
	tracer, _, p := newTracer(t)
	_, s := tracer.StartSpan(context.Background(), evil)
	s.SetAttributes(
		attribute.String(evil, evil),
		attribute.StringSlice("slice", []string{evil}),
		attribute.String("empty", ""),
	)
	p.NewTracer(evil).StartSpan(context.Background(), "two")
	text := dump(t, p)
	assert.Equal(t, 4, strings.Count(text, "\n"), "a line a span")
	for _, c := range text {
		assert.True(t, c == '\n' || unicode.IsPrint(c) && c != unicode.ReplacementChar, "%q", c)
	}
	assert.Contains(t, text, `"\x1b[31m\r\n\tx\v\f\u202e\u2028\u200b\x7f\u009b\x00\xff\"q"`)
	assert.Contains(t, text, ` empty=""`)
}

// A line is bounded whatever a span holds, and so is the number of lines.
func TestWriteOpenSpansIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1<<16)
	t.Run("a line", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := newTracer(t)
		_, s := tracer.StartSpan(context.Background(), long)
		for i := range 100 {
			s.SetAttribute(fmt.Sprint(i, long), long)
		}
		text := dump(t, p)
		assert.Less(t, len([]rune(text)), 1500)
		assert.Contains(t, text, strings.Repeat("é", 60)+"...  test")
		assert.Contains(t, text, " 0"+strings.Repeat("é", 59)+"..."+"="+strings.Repeat("é", 60)+"... 1é")
		assert.Contains(t, text, "... and 96 more\n")
	})
	t.Run("lines", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tracer, _, p := newTracer(t)
			for i := range 1000 {
				tracer.StartSpan(context.Background(), fmt.Sprint("span ", i))
				time.Sleep(time.Second)
			}
			assert.Contains(t, dump(t, p), "1000 open spans at ")
			for range 234 {
				tracer.StartSpan(context.Background(), "young")
			}
			text := dump(t, p)
			assert.Contains(t, text, "1234 open spans, of which these are the 1000 oldest at 2000-01-01T")
			assert.Equal(t, 1002, strings.Count(text, "\n"))
			assert.Contains(t, text, "span 999 ")
			assert.NotContains(t, text, "young")
			assert.Len(t, p.OpenSpans(), 1234, "which OpenSpans does not cut")
		})
	})
}

func TestWriteOpenSpansErrors(t *testing.T) {
	t.Parallel()
	tracer, _, p := newTracer(t)
	for range 100 {
		tracer.StartSpan(context.Background(), "one")
	}
	require.EqualError(t, p.WriteOpenSpans(nil), "tracing: WriteOpenSpans: writer is nil")
	full := errors.New("disk full")
	calls := 0
	err := p.WriteOpenSpans(writerFunc(func([]byte) (int, error) {
		calls++
		return 0, full
	}))
	require.ErrorIs(t, err, full)
	assert.EqualError(t, err, "tracing: WriteOpenSpans: disk full")
	assert.Equal(t, 1, calls, "it stops at the first")
}
