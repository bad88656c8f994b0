// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/tracing"
)

// ForceFlush waits for what ended before the call, not for what ends after it: it returns also where
// spans end faster than the exporter takes them.
func TestForceFlushReturnsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]tracing.Exporter{"plain": &slowCollector{}, "encoding": &slowEncoder{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tracer, p := inBubble(t, e, tracing.WithQueueSpans(100), tracing.WithQueueBytes(1<<14), tracing.WithBatchSpans(1))
				stop := time.Now().Add(time.Minute)
				var wg sync.WaitGroup
				wg.Go(func() {
					for time.Now().Before(stop) { // ten times as fast as the exporter
						endOne(tracer, strings.Repeat("load", 25))
						time.Sleep(time.Millisecond)
					}
				})
				time.Sleep(10 * time.Second)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				assert.NoError(t, p.ForceFlush(ctx))
				// At 10 ms a span: the queue, and what waits as bytes, 104 a span.
				assert.Less(t, time.Since(begin), 5*time.Second)
				wg.Wait()
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}
