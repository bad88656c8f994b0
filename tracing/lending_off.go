// SPDX-License-Identifier: Apache-2.0

//go:build !invariants && !race

// Only checked builds look after what they lend: it takes a copy of each span.

package tracing

import "github.com/spandrel-go/spandrel/pool"

var views = pool.New[SpanData](nil, nil)

// acquireView returns a blank view.
func acquireView() *SpanData { return views.Get() }

// releaseView takes a view back.
func releaseView(d *SpanData) { views.Put(d) }

// loan is a view in the hands of foreign code.
type loan struct{ view *SpanData }

// lend prepares d for a call of the named method of an exporter or a processor. The call gets loan.view,
// and reclaim follows it.
func lend(d *SpanData, _ any, _ string) loan { return loan{d} }

func (loan) reclaim() {}

// lendAll is lend for a number of views.
func lendAll(views []*SpanData, _ any, _ string) loans { return loans{views} }

type loans struct{ views []*SpanData }

func (loans) reclaim() {}

// reclaimBody ends the loan of a request's body.
func reclaimBody([]byte) {}
