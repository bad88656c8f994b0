// SPDX-License-Identifier: Apache-2.0

package console

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/spandrel-go/spandrel/tracing"
)

// serviceOf returns the name of the service that made a span, or "" when it has none. Data made by
// hand may lack the resource.
func serviceOf(d *tracing.SpanData) string {
	if d.Resource == nil {
		return ""
	}
	return d.Resource.ServiceName()
}

func resourceOf(d *tracing.SpanData) []attribute.KeyValue {
	if d.Resource == nil {
		return nil
	}
	return d.Resource.Attributes()
}

func isError(d *tracing.SpanData) bool { return d.Status.Code == codes.Error }

// hasDuration reports whether a span has both its start and its end. It may still end before it
// starts, when the times were given by the user.
func hasDuration(d *tracing.SpanData) bool { return !d.StartTime.IsZero() && !d.EndTime.IsZero() }
