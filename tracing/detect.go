// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ResourceDetector finds out what the process runs on, for [WithResourceDetectors].
type ResourceDetector interface {
	// Detect returns what it found, or nil if that is nothing, which is no error. What it returns
	// beside an error is used too. It should return when ctx is done: whoever starts the provider
	// waits for it. It may be called from several goroutines at once, where several providers share
	// it. Its resource has a schema URL if its attributes come from the semantic conventions.
	Detect(ctx context.Context) (*Resource, error)
}

// ResourceDetectorFunc is a function as a [ResourceDetector].
type ResourceDetectorFunc func(ctx context.Context) (*Resource, error)

// Detect calls f.
func (f ResourceDetectorFunc) Detect(ctx context.Context) (*Resource, error) { return f(ctx) }

// DetectTimeout is how long [NewProvider] waits for all its detectors together.
const DetectTimeout = 5 * time.Second

// WithResourceDetectors adds detectors, which [NewProvider] runs side by side. Where several find
// the same attribute, the later in the list counts; the order of precedence is: the defaults of
// [NewProvider], detectors, the environment, [WithResource] and [WithServiceName]. A detector that
// fails, panics or is not done within [DetectTimeout] is logged as a warning and does not stop the
// provider. One that does not even heed its ctx is left behind with its goroutine. Nil is an error.
//
// [ProcessDetector], [HostDetector], [OSDetector], [ContainerDetector] and
// [ServiceInstanceDetector] are ready; none is the default.
func WithResourceDetectors(detectors ...ResourceDetector) Option {
	return optionFunc(func(c *config) {
		for _, d := range detectors {
			if isNil(d) {
				c.fail("WithResourceDetectors: detector is nil")
				return
			}
			c.detectors = append(c.detectors, d)
		}
	})
}

// detected is what one detector returned.
type detected struct {
	resource *Resource
	err      error
}

// detectGrace is how much longer than its context a detector may take to return what it has by then.
const detectGrace = DetectTimeout / 10

var (
	errDetectorLate = errors.New("it did not return in time")
	errDetectorLeft = errors.New("it ended its goroutine")
)

// detect runs the detectors and returns what those found that were in time, in their order.
func (c *config) detect() []*Resource {
	if len(c.detectors) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), DetectTimeout)
	defer cancel()
	results := make([]chan detected, len(c.detectors))
	for i, d := range c.detectors {
		results[i] = make(chan detected, 1) // so that nobody has to be there to receive
		go detectOne(ctx, d, results[i])
	}
	late := time.NewTimer(DetectTimeout + detectGrace)
	defer late.Stop()
	found := make([]*Resource, 0, len(results))
	for i, result := range results {
		var got detected
		select {
		case got = <-result:
		case <-late.C:
			late.Reset(0) // for the others
			select {
			case got = <-result: // both were true
			default:
				got.err = errDetectorLate
			}
		}
		if got.err != nil {
			c.logger.Warn("spandrel: resource detector fails",
				"detector", fmt.Sprintf("%T", c.detectors[i]), "position", i, "error", got.err)
		}
		found = append(found, got.resource)
	}
	return found
}

// detectOne calls a detector, which is foreign code, and sends one result.
func detectOne(ctx context.Context, d ResourceDetector, result chan<- detected) {
	got := detected{err: errDetectorLeft}
	defer func() {
		if x := recover(); x != nil {
			got.err = fmt.Errorf("panic: %v", x)
		}
		result <- got
	}()
	got.resource, got.err = d.Detect(ctx)
}
