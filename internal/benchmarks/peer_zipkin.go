// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
)

func zipkinPeer() Peer {
	return Peer{
		Name: "zipkin",
		About: "zipkin-go with a Reporter of ours that blocks when full (its own ones lose spans); " +
			"unsampled: NeverSample and WithNoopSpan(true); disabled: WithNoopTracer(true)",
		Delivers: true,
		Start: func(mode Mode, sink *Sink) (Instance, error) {
			endpoint, err := zipkin.NewEndpoint(serviceName, "127.0.0.1:8080")
			if err != nil {
				return nil, err
			}
			opts := []zipkin.TracerOption{zipkin.WithLocalEndpoint(endpoint), zipkin.WithTraceID128Bit(true)}
			switch mode {
			case Unsampled:
				opts = append(opts, zipkin.WithSampler(zipkin.NeverSample), zipkin.WithNoopSpan(true))
			case Disabled:
				opts = append(opts, zipkin.WithNoopTracer(true))
			}
			r := newZipkinReporter(sink)
			tracer, err := zipkin.NewTracer(r, opts...)
			if err != nil {
				return nil, err
			}
			return &zipkinCaller{tracer: tracer, reporter: r}, nil
		},
	}
}

type zipkinCaller struct {
	tracer   *zipkin.Tracer
	reporter *zipkinReporter
}

func (z *zipkinCaller) Trace(s *Shape) {
	root, ctx := z.start(context.Background(), rootName, model.Server, s)
	if s.Workers == 0 {
		for range s.Children {
			z.child(ctx, s)
		}
	} else {
		fanOut(s, func() { z.child(ctx, s) })
	}
	z.fill(root, s)
	root.Finish()
}

func (z *zipkinCaller) child(ctx context.Context, s *Shape) {
	span, _ := z.start(ctx, childName, model.Client, s)
	z.fill(span, s)
	span.Finish()
}

func (z *zipkinCaller) start(ctx context.Context, name string, kind model.Kind, s *Shape) (zipkin.Span, context.Context) {
	if s.Attributes {
		return z.tracer.StartSpanFromContext(ctx, name, zipkin.Kind(kind))
	}
	return z.tracer.StartSpanFromContext(ctx, name)
}

// fill sets tags one by one and as text: Zipkin has no other. Its status is the tag "error".
func (z *zipkinCaller) fill(span zipkin.Span, s *Shape) {
	if s.Attributes {
		span.Tag(keyString, valueString)
		span.Tag(keyInt, strconv.Itoa(valueInt))
		span.Tag(keyBool, strconv.FormatBool(valueBool))
		span.Tag(keyText, valueText)
		zipkin.TagError.Set(span, statusText)
	}
	for range s.Events {
		span.Annotate(time.Now(), eventName)
	}
}

func (z *zipkinCaller) Stop() error { return z.reporter.Close() }

const (
	// zipkinBatch spans go to the worker at once; as many as OpenTelemetry's batch processor takes.
	zipkinBatch = 512
	// zipkinBatches may wait; with them the queue holds as many spans as OpenTelemetry's.
	zipkinBatches = 4
)

// zipkinReporter is a reporter.Reporter that loses nothing: callers fill a batch under a lock, a
// worker reads full batches, and a caller waits when the worker is too far behind.
type zipkinReporter struct {
	sink *Sink
	full chan []model.SpanModel // sent by callers under mu, closed by Close
	free chan []model.SpanModel // read batches, for reuse
	done chan struct{}          // closed by the worker

	mu    sync.Mutex
	batch []model.SpanModel // guarded by mu
}

func newZipkinReporter(sink *Sink) *zipkinReporter {
	r := &zipkinReporter{
		sink:  sink,
		full:  make(chan []model.SpanModel, zipkinBatches),
		free:  make(chan []model.SpanModel, zipkinBatches),
		done:  make(chan struct{}),
		batch: make([]model.SpanModel, 0, zipkinBatch),
	}
	go r.work()
	return r
}

// Send implements reporter.Reporter.
func (r *zipkinReporter) Send(s model.SpanModel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batch = append(r.batch, s)
	if len(r.batch) < zipkinBatch {
		return
	}
	// The lock is held over the send on purpose: a full queue stops all callers.
	r.full <- r.batch
	select {
	case b := <-r.free:
		r.batch = b
	default:
		r.batch = make([]model.SpanModel, 0, zipkinBatch)
	}
}

// Close implements reporter.Reporter.
func (r *zipkinReporter) Close() error {
	r.mu.Lock()
	r.full <- r.batch
	close(r.full)
	r.mu.Unlock()
	<-r.done
	return nil
}

func (r *zipkinReporter) work() {
	defer close(r.done)
	for batch := range r.full {
		for i := range batch {
			readZipkin(&r.sink.Checksum, &batch[i])
			if r.sink.keep != nil {
				r.sink.keep(batch[i])
			}
		}
		r.sink.spans.Add(int64(len(batch)))
		clear(batch)
		select {
		case r.free <- batch[:0]:
		default:
		}
	}
}

func readZipkin(c *Checksum, s *model.SpanModel) {
	c.Uint64(s.TraceID.High)
	c.Uint64(s.TraceID.Low)
	c.Uint64(uint64(s.ID))
	c.Bool(s.ParentID != nil)
	if s.ParentID != nil {
		c.Uint64(uint64(*s.ParentID))
	}
	c.Bool(s.Sampled != nil)
	if s.Sampled != nil {
		c.Bool(*s.Sampled)
	}
	c.Bool(s.Debug)
	c.String(s.Name)
	c.String(string(s.Kind))
	c.Time(s.Timestamp)
	c.Uint64(uint64(s.Duration))
	c.Bool(s.Shared)
	c.Bool(s.LocalEndpoint != nil)
	c.Bool(s.RemoteEndpoint != nil)
	c.Uint64(uint64(len(s.Annotations)))
	for i := range s.Annotations {
		c.Time(s.Annotations[i].Timestamp)
		c.String(s.Annotations[i].Value)
	}
	c.Uint64(uint64(len(s.Tags)))
	for k, v := range s.Tags {
		c.String(k)
		c.String(v)
	}
}
