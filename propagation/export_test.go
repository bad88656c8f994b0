// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"
	"slices"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// FromLookup is FromEnvironment with another environment.
var FromLookup = fromEnvironment

// ContextWithRemote returns ctx with what arrived; the active span stays.
func ContextWithRemote(ctx context.Context, r Remote) context.Context {
	sc := r.SpanContext
	a := arrival{
		RequestID: r.RequestID,
		Decision:  r.Decision, Debug: r.Debug, Capped: r.Capped, Priority: r.Priority,
		Format: format(slices.Index(formatNames[:], r.Format)), TraceIDBits: uint8(r.TraceIDBits),
	}
	if sc.IsValid() {
		a.TraceID, a.SpanID, a.ParentSpanID, a.Flags = sc.TraceID(), sc.SpanID(), r.ParentSpanID, sc.TraceFlags()
	}
	a.TraceID = sc.TraceID()
	if sc.TraceState().Len() > 0 || r.TraceState != "" || r.Extra != nil {
		a.Rare = &remote.Rare{State: sc.TraceState(), TraceState: r.TraceState, Extra: r.Extras(), HasExtra: r.Extra != nil}
	}
	return &note{ctx, a}
}
