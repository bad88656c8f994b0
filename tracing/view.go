// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/pool"
)

var views = pool.New[SpanData](nil, nil)

// acquireView returns a blank view to lend.
func acquireView() *SpanData {
	if pool.Checked {
		return new(SpanData) // never reused: a keeper reads what releaseView leaves in it
	}
	return views.Get()
}

// releaseView takes a view back.
func releaseView(d *SpanData) {
	if pool.Checked {
		*d = SpanData{Name: poisoned, Attributes: []attribute.KeyValue{attribute.String(poisoned, poisoned)}}
		return
	}
	views.Put(d)
}
