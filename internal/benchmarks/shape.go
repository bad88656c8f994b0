// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"sync"
)

// Shape is what one trace consists of: a root span and its children, which all look the same.
type Shape struct {
	// Children is the number of spans directly below the root span.
	Children int
	// Attributes: every span gets a kind, four attributes (string, int, bool, string), in one call where
	// the peer has such a call, and the status Error with a description. Without it a span is bare: it
	// has nothing but a name.
	Attributes bool
	// Events is the number of events of every span. They have no attributes: zipkin-go's have none.
	Events int
	// Workers is the number of goroutines that make the children, 0 for the caller's own.
	Workers int
}

// Spans returns the number of spans of one trace.
func (s *Shape) Spans() int { return 1 + s.Children }

// What the spans are made of. The names and values have the lengths of real ones.
const (
	scopeName   = "example.com/shop/orders"
	serviceName = "orders"

	rootName  = "GET /orders/{id}"
	childName = "SELECT orders"

	keyString, valueString = "db.system", "postgresql"
	keyInt, valueInt       = "db.rows", 17
	keyBool, valueBool     = "cache.hit", true
	keyText, valueText     = "server.address", "orders-db-0.shop"

	statusText = "failed"
	eventName  = "retry"
)

// fanOut calls child as often as the shape has children, on Workers goroutines, and waits.
func fanOut(s *Shape, child func()) {
	var wg sync.WaitGroup
	for w := range s.Workers {
		n := s.Children / s.Workers
		if w < s.Children%s.Workers {
			n++
		}
		wg.Go(func() {
			for range n {
				child()
			}
		})
	}
	wg.Wait()
}
