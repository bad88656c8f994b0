// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"reflect"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/internal/spool"
	"github.com/spandrel-go/spandrel/sampling"
)

// Option sets up a [Provider]. A nil one is an error of [NewProvider].
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	exporters  []exporterConfig
	processors []Processor
	sampler    sampling.Sampler
	detectors  []ResourceDetector
	attrs      []attribute.KeyValue
	limits     SpanLimits
	ids        IDGenerator
	logger     *slog.Logger
	openLimit  int
	openAge    time.Duration // 0: no check
	errs       []error

	defaultLimits SpanLimits // what 0 becomes in limits

	env      environment    // below what options say
	disabled bool           // by the environment
	pipeline pipelineConfig // what a pipeline has without options
}

type exporterConfig struct {
	exporter Exporter
	opts     []PipelineOption
}

// DefaultOpenSpanLimit is the default of [WithOpenSpanLimit].
const DefaultOpenSpanLimit = 1 << 17

func newConfig(opts []Option) (config, error) {
	c := config{
		openLimit: DefaultOpenSpanLimit,
		env:       environment{lookup: os.LookupEnv},
	}
	for i, o := range opts {
		if o == nil {
			c.fail(fmt.Sprintf("NewProvider: opts[%d] is nil", i))
			continue
		}
		o.apply(&c)
	}
	if err := errors.Join(c.errs...); err != nil {
		return c, err
	}
	c.readEnvironment()
	return c, nil
}

// readEnvironment fills in what no option has set.
func (c *config) readEnvironment() {
	if c.logger == nil {
		c.logger = c.env.defaultLogger()
	}
	c.env.logger = c.logger
	c.disabled = c.env.disabled()
	if c.sampler == nil {
		c.sampler = c.env.sampler()
	}
	if c.sampler == nil {
		c.sampler = sampling.ParentBased(sampling.AlwaysOn())
	}
	c.defaultLimits = defaultLimits()
	c.env.limits(&c.defaultLimits)
	c.pipeline = defaultPipeline()
	c.env.pipeline(&c.pipeline)
	if !c.disabled {
		c.env.exporters(c.exporters)
	}
}

func (c *config) fail(text string) { c.errs = append(c.errs, errors.New("tracing: "+text)) }

// isNil says whether v is nil or an interface that holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return r.IsNil()
	}
	return false
}

// WithExporter adds an exporter with a pipeline of its own: a queue, a worker and batches. Several exporters
// do not slow each other down. The provider shuts the exporter down. Nil is an error, and so is the same
// exporter twice, unless it has no state, as a struct without fields. In the Go context that an exporter is
// called with this provider starts no spans, so that an exporter with a traced client does not feed itself.
func WithExporter(e Exporter, opts ...PipelineOption) Option {
	return optionFunc(func(c *config) {
		if isNil(e) {
			c.fail("WithExporter: exporter is nil")
			return
		}
		for _, other := range c.exporters {
			if sameExporter(e, other.exporter) {
				c.fail("WithExporter: the same exporter is given twice")
				return
			}
		}
		c.exporters = append(c.exporters, exporterConfig{e, opts})
	})
}

// sameExporter reports whether two exporters share what they hold, which two pipelines must not call, nor shut
// down, as if it were two. Those of a type without size hold nothing, and whether pointers to two variables of
// such a type are equal is chance (Go specification, "Comparison operators").
func sameExporter(a, b Exporter) bool {
	v := reflect.ValueOf(a)
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Size() > 0 && v.Comparable() && a == b
}

// WithProcessor adds a processor behind those already there. Nil is an error.
func WithProcessor(p Processor) Option {
	return optionFunc(func(c *config) {
		if isNil(p) {
			c.fail("WithProcessor: processor is nil")
			return
		}
		c.processors = append(c.processors, p)
	})
}

// WithSampler sets the sampler. The default is ParentBased(AlwaysOn). Nil is an error.
func WithSampler(s sampling.Sampler) Option {
	return optionFunc(func(c *config) {
		if isNil(s) {
			c.fail("WithSampler: sampler is nil")
			return
		}
		c.sampler = s
	})
}

// WithServiceName sets the resource attribute service.name, which names the service in every
// backend. The default is "unknown_service:" and the name of the executable. "" is an error.
func WithServiceName(name string) Option {
	return optionFunc(func(c *config) {
		if name == "" {
			c.fail("WithServiceName: name is empty")
			return
		}
		c.attrs = append(c.attrs, serviceNameKey.String(name))
	})
}

// WithResource adds attributes of the process; the last value of a key wins. They take precedence
// over what detectors find ([WithResourceDetectors]).
func WithResource(attrs ...attribute.KeyValue) Option {
	return optionFunc(func(c *config) { c.attrs = append(c.attrs, attrs...) })
}

// WithSpanLimits bounds what one span may hold; see [SpanLimits] for the defaults.
func WithSpanLimits(l SpanLimits) Option {
	return optionFunc(func(c *config) { c.limits = l })
}

// WithIDGenerator replaces the random ids. Nil is an error.
func WithIDGenerator(g IDGenerator) Option {
	return optionFunc(func(c *config) {
		if isNil(g) {
			c.fail("WithIDGenerator: generator is nil")
			return
		}
		c.ids = g
	})
}

// WithLogger sets where the provider reports what goes wrong: a backend that fails and recovers, a detector
// that fails, an environment variable that is ignored, a spool that others may write to, a span that lost
// something to its limits, one that has been open for too long ([WithOpenSpanAge]). The default is
// slog.Default() at the time of [NewProvider], without what is below the level of OTEL_LOG_LEVEL; that
// variable does not touch a logger that is given here. Nil is an error.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) {
		if l == nil {
			c.fail("WithLogger: logger is nil")
			return
		}
		c.logger = l
	})
}

// WithEnvironment replaces os.LookupEnv as the source of environment variables (docs/environment.md).
// With one that finds nothing the provider does not depend on its surroundings, which suits tests.
// lookup is called by [NewProvider] only. Nil is an error.
func WithEnvironment(lookup func(name string) (value string, ok bool)) Option {
	return optionFunc(func(c *config) {
		if lookup == nil {
			c.fail("WithEnvironment: lookup is nil")
			return
		}
		c.env.lookup = lookup
	})
}

// WithOpenSpanLimit bounds how many spans may be held before they are handed over, most of them
// open: a program that never ends its spans must not grow without end. Beyond it the local traces
// that have been open longest are exported as they are, their open spans marked span.unfinished,
// and counted in [Stats.Unfinished]. A held span takes about half a kilobyte and what it records.
// The default is [DefaultOpenSpanLimit]; n must be positive. The limit is kept to about ten spans
// for each trace.
func WithOpenSpanLimit(n int) Option {
	return optionFunc(func(c *config) {
		if err := checkPositive("WithOpenSpanLimit", n); err != nil {
			c.errs = append(c.errs, err)
			return
		}
		c.openLimit = n
	})
}

// WithOpenSpanAge makes the provider look for spans that are never ended: one that has been open for
// longer than d, from its start on, counts once in [Stats.Overdue], and a warning names the oldest that
// it has not named yet and says how many others there are, at most one a minute. The span stays open:
// it may be a long stream, and only [WithOpenSpanLimit] ends one. [Provider.OpenSpans] lists what is open.
//
// The provider looks four times in d, at least once a minute and at most ten times a second, and each
// time walks over the spans that it holds. The default is not to look; d must be positive.
func WithOpenSpanAge(d time.Duration) Option {
	return optionFunc(func(c *config) {
		if d <= 0 {
			c.errs = append(c.errs, fmt.Errorf("tracing: WithOpenSpanAge: %v is not positive", d))
			return
		}
		c.openAge = d
	})
}

// PipelineOption sets up what stands between a provider and one exporter. A nil one is an error of
// [NewProvider].
type PipelineOption interface{ apply(*pipelineConfig) }

type pipelineOptionFunc func(*pipelineConfig)

func (f pipelineOptionFunc) apply(c *pipelineConfig) { f(c) }

type pipelineConfig struct {
	queueSpans, queueBytes int
	encodedSpans           int // that may wait behind the queue; 0: neither an option nor the environment says how many
	batchSpans, batchBytes int
	delay, timeout         time.Duration
	queueWait, retryLimit  time.Duration
	dropOldest             bool
	workers                int
	spoolDir               string
	spoolBytes             int64
	batchFromEnv           bool // batchSpans stands in the environment
	errs                   []error
}

// Defaults of the pipeline. The numbers of spans and the times are those that OpenTelemetry's
// specification gives its batch processor (trace/sdk.md, "Batching processor").
const (
	DefaultQueueSpans    = 2048
	DefaultQueueBytes    = 16 << 20
	DefaultBatchSpans    = 512
	DefaultBatchBytes    = 1 << 20
	DefaultBatchDelay    = 5 * time.Second
	DefaultExportTimeout = 30 * time.Second
	DefaultRetryLimit    = time.Minute

	// SpoolQueueSpans is the default of [WithQueueSpans] where there is a spool, which is only behind the
	// queue: a burst must not be lost before it gets there.
	SpoolQueueSpans = 16 * 1024
)

func defaultPipeline() pipelineConfig {
	return pipelineConfig{
		queueSpans: DefaultQueueSpans,
		queueBytes: DefaultQueueBytes,
		batchSpans: DefaultBatchSpans,
		batchBytes: DefaultBatchBytes,
		delay:      DefaultBatchDelay,
		timeout:    DefaultExportTimeout,
		retryLimit: DefaultRetryLimit,
		workers:    1,
	}
}

// newPipelineConfig changes the provider's defaults by the options of one pipeline.
func (c *config) newPipelineConfig(opts []PipelineOption) (pipelineConfig, error) {
	pc := c.pipeline
	pc.batchSpans = 0 // until an option sets it
	for i, o := range opts {
		if o == nil {
			pc.errs = append(pc.errs, fmt.Errorf("tracing: WithExporter: opts[%d] is nil", i))
			continue
		}
		o.apply(&pc)
	}
	if pc.encodedSpans == 0 {
		pc.encodedSpans = math.MaxInt
		if pc.spoolDir != "" {
			pc.queueSpans = SpoolQueueSpans
		}
	}
	if pc.batchSpans == 0 {
		pc.batchSpans = c.pipeline.batchSpans
		if pc.batchFromEnv && pc.batchSpans > pc.queueSpans {
			c.env.warn(envBatchSize, strconv.Itoa(pc.batchSpans),
				fmt.Sprintf("at most the size of the queue; it counts as %d", pc.queueSpans))
		}
	}
	pc.batchSpans = min(pc.batchSpans, pc.queueSpans)
	if pc.spoolDir != "" {
		pc.batchBytes = int(min(int64(pc.batchBytes), pc.spoolBytes/spoolBatches))
	}
	if pc.dropOldest && pc.queueWait > 0 {
		pc.errs = append(pc.errs, errors.New("tracing: WithDropOldest and WithQueueWait exclude each other"))
	}
	return pc, errors.Join(pc.errs...)
}

func positive(option string, n int, set func(*pipelineConfig)) PipelineOption {
	return pipelineOptionFunc(func(c *pipelineConfig) {
		if err := checkPositive(option, n); err != nil {
			c.errs = append(c.errs, err)
			return
		}
		set(c)
	})
}

func positiveDuration(option string, d time.Duration, set func(*pipelineConfig)) PipelineOption {
	return pipelineOptionFunc(func(c *pipelineConfig) {
		if d <= 0 {
			c.errs = append(c.errs, fmt.Errorf("tracing: %s: %v is not positive", option, d))
			return
		}
		set(c)
	})
}

// WithQueueSpans bounds the ended spans that wait for the exporter and, for one that encodes, again those
// that are encoded and wait for the backend: the pipeline holds at most twice n, what it has just taken out
// of the queue (up to 64 hand-overs), the batch that is being made and those that are being sent. When the
// queue is full, new spans are dropped and counted, or what [WithDropOldest] and [WithQueueWait] say; encoded
// ones go to the spool, if there is one. n must be positive. Without this option [DefaultQueueSpans] may
// wait, [SpoolQueueSpans] with a spool, and those that are encoded are bounded in bytes only
// ([WithQueueBytes]).
func WithQueueSpans(n int) PipelineOption {
	return positive("WithQueueSpans", n, func(c *pipelineConfig) { c.queueSpans, c.encodedSpans = n, n })
}

// WithQueueBytes bounds the estimated bytes of the spans that wait and, for an exporter that encodes, again
// the bytes that wait for the backend: the pipeline holds at most twice n, the batch that is being made, and
// for each worker the one that is being sent, with its request. ForceFlush and Shutdown may move up to n more
// to it, of what the provider holds anyway. A single hand-over of more than n is dropped. Default
// [DefaultQueueBytes]; n must be positive.
func WithQueueBytes(n int) PipelineOption {
	return positive("WithQueueBytes", n, func(c *pipelineConfig) { c.queueBytes = n })
}

// WithBatchSpans bounds the spans of one batch, which is never larger than the queue ([WithQueueSpans]).
// Default [DefaultBatchSpans]; n must be positive.
func WithBatchSpans(n int) PipelineOption {
	return positive("WithBatchSpans", n, func(c *pipelineConfig) { c.batchSpans = n })
}

// WithBatchBytes bounds the encoded bytes of one batch; a single larger span still makes a batch of
// its own. Default [DefaultBatchBytes]; n must be positive. It has no effect on an exporter that
// does not encode.
func WithBatchBytes(n int) PipelineOption {
	return positive("WithBatchBytes", n, func(c *pipelineConfig) { c.batchBytes = n })
}

// WithBatchDelay bounds how long an ended span waits before it is given to the exporter, also a
// span of a local trace that goes on. The pipeline wakes three times in it. Default
// [DefaultBatchDelay]; d must be positive.
func WithBatchDelay(d time.Duration) PipelineOption {
	return positiveDuration("WithBatchDelay", d, func(c *pipelineConfig) { c.delay = d })
}

// WithExportTimeout bounds one call of the exporter. Default [DefaultExportTimeout]; d must be
// positive.
func WithExportTimeout(d time.Duration) PipelineOption {
	return positiveDuration("WithExportTimeout", d, func(c *pipelineConfig) { c.timeout = d })
}

// WithDropOldest drops, when the queue is full, the spans that have waited longest, in place of those
// that have just ended: after an outage the backend shows the present. It cannot be combined with
// [WithQueueWait].
func WithDropOldest() PipelineOption {
	return pipelineOptionFunc(func(c *pipelineConfig) { c.dropOldest = true })
}

// MaxWorkers bounds [WithWorkers].
const MaxWorkers = 64

// WithWorkers sets how many calls of the exporter may be under way at a time, for a backend that takes
// long to answer. n must be from 1 to [MaxWorkers]; with more than 1 the exporter must be safe for
// concurrent use (those of this module are), and batches may arrive out of order. Each worker is a
// goroutine and may hold one batch besides what the queue holds. The default is 1.
func WithWorkers(n int) PipelineOption {
	return pipelineOptionFunc(func(c *pipelineConfig) {
		if n < 1 || n > MaxWorkers {
			c.errs = append(c.errs, fmt.Errorf("tracing: WithWorkers: %d is not from 1 to %d", n, MaxWorkers))
			return
		}
		c.workers = n
	})
}

// WithRetryLimit bounds how long one batch is tried again, from its first call, after an error that may pass:
// an [ExportError] that is Retryable. A batch that would have to wait longer is dropped. Between the calls
// there is a pause, of half a second at first and doubling up to ten, shortened at random by up to a half, in
// which nothing else is sent either; [ExportError.RetryAfter] replaces it, no more than five minutes and up
// to a tenth longer. Default [DefaultRetryLimit]; 0 means that nothing is tried again; d must not be
// negative.
func WithRetryLimit(d time.Duration) PipelineOption {
	return pipelineOptionFunc(func(c *pipelineConfig) {
		if d < 0 {
			c.errs = append(c.errs, fmt.Errorf("tracing: WithRetryLimit: %v is negative", d))
			return
		}
		c.retryLimit = d
	})
}

// spoolBatches is how many batches of the largest size a spool has room for.
const spoolBatches = 16

// WithSpool keeps what cannot be delivered in a directory of the file system, which is made if it does
// not exist: a batch after a call that failed and may succeed later, every batch until the backend
// answers again, batches for which there is no room in memory, and what Shutdown could not deliver in
// time. It is sent, oldest first, as soon as the backend answers, or by the next provider that is given
// the same directory, such as that of the program when it starts again. [WithRetryLimit] does not apply;
// but a batch that has failed for more than a minute is dropped if the backend takes others.
//
// maxBytes bounds the directory's size; when it is full, the oldest batches go, counted in
// [DroppedStats].SpoolFull. It must be at least 256 KiB; a batch has no more than a sixteenth of it. Spans in
// it are readable for the user that the program runs as, and nobody else; on Windows for whoever may read the
// directory. What an exporter of another encoding ([EncodingNamer]) has left there is deleted, and counted in
// [SpoolStats].Damaged.
//
// What has been written survives the end of the process, however it ends; a crash of the machine may cost the
// newest three files, each a sixteenth of maxBytes and no more than 16 MiB. A batch that was sent just before
// such an end may be sent again afterwards. The exporter must encode ([EncodingExporter], as those of this
// module do). Each exporter needs a directory of its own, and one that another process uses is an error. One
// that every user of the machine may write to is a warning: what others put there is sent, too.
func WithSpool(directory string, maxBytes int64) PipelineOption {
	return pipelineOptionFunc(func(c *pipelineConfig) {
		if directory == "" {
			c.errs = append(c.errs, errors.New("tracing: WithSpool: directory is empty"))
			return
		}
		if maxBytes < spool.MinBytes {
			c.errs = append(c.errs, fmt.Errorf("tracing: WithSpool: maxBytes %d is less than %d (256 KiB)", maxBytes, spool.MinBytes))
			return
		}
		c.spoolDir, c.spoolBytes = directory, maxBytes
	})
}

// WithQueueWait makes End wait, while the queue is full, up to d for room; then the spans are dropped.
// It slows the program down to the speed of the backend: use it where no span may be lost and nobody
// waits for the program, such as in a batch job. Each goroutine may bring what it has waited for, so
// the queue can hold a little more than its bound in spans, and up to twice its bound in bytes. The
// default is not to wait; d must be positive.
func WithQueueWait(d time.Duration) PipelineOption {
	return positiveDuration("WithQueueWait", d, func(c *pipelineConfig) { c.queueWait = d })
}

// TracerOption sets up a tracer made by [NewTracer] or [Provider.NewTracer]. A nil one does nothing:
// there is no error to return.
type TracerOption interface{ apply(*tracerConfig) }

type tracerOptionFunc func(*tracerConfig)

func (f tracerOptionFunc) apply(c *tracerConfig) { f(c) }

type tracerConfig struct {
	version   string
	namespace string
	sampler   sampling.Sampler
	rate      float64
	noop      bool
}

func newTracerConfig(opts []TracerOption) tracerConfig {
	c := tracerConfig{rate: 1}
	for _, o := range opts {
		if o != nil {
			o.apply(&c)
		}
	}
	return c
}

// WithVersion sets the version of the instrumentation scope.
func WithVersion(version string) TracerOption {
	return tracerOptionFunc(func(c *tracerConfig) { c.version = version })
}

// WithTracerSampler gives the tracer a sampler of its own in place of the provider's. Nil does
// nothing.
func WithTracerSampler(s sampling.Sampler) TracerOption {
	return tracerOptionFunc(func(c *tracerConfig) {
		if !isNil(s) {
			c.sampler = s
		}
	})
}

// WithSamplingRate gives the tracer Kong's sampler: roots are kept at the given rate, by their trace
// id, and children follow their parent. As in Kong a rate of 1 or more keeps all, one of 0 or less
// none; NaN keeps none.
func WithSamplingRate(rate float64) TracerOption {
	return tracerOptionFunc(func(c *tracerConfig) {
		c.rate = rate
		c.sampler = sampling.ParentBased(kongRatio(rate))
	})
}

// WithNamespace gives the tracer's spans a namespace: each has an active span of its own in a Go context, so
// the spans of one are never parents of another's. Where a namespace has no active span, a span of it
// continues the trace that came with the request, as package propagation read it; what another propagator
// read it finds only where no span of the default namespace stands above it. The default, also for "", is
// "KONG", whose active span is that of OpenTelemetry's API.
func WithNamespace(namespace string) TracerOption {
	return tracerOptionFunc(func(c *tracerConfig) { c.namespace = namespace })
}

// WithNoop makes NewTracer return the one tracer that starts no spans, whatever the name and the other
// options.
func WithNoop() TracerOption {
	return tracerOptionFunc(func(c *tracerConfig) { c.noop = true })
}
