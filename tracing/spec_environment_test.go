// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// Most tests bring an environment of their own and are parallel; TestEnvironmentOfTheProcess shows that
// the real one is read.

type env map[string]string

// withEnv gives a provider an environment of its own.
func withEnv(e env) tracing.Option {
	return tracing.WithEnvironment(func(name string) (string, bool) {
		value, ok := e[name]
		return value, ok
	})
}

// logTo is a logger that writes to b.
func logTo(b *syncBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// warnings checks what a provider logged: one line for each of want, which holds it.
func warnings(t *testing.T, log *syncBuffer, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if log.String() == "" {
		lines = nil
	}
	require.Len(t, lines, len(want), log.String())
	for i := range want {
		assert.Contains(t, lines[i], "level=WARN")
		assert.Contains(t, lines[i], want[i])
	}
}

// Not parallel: it changes the environment of the process.
func TestEnvironmentOfTheProcess(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "from the process")
	t.Setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "1")
	d := one(t, func(s *tracing.Span) { s.SetAttributes(numbered(3)...) })
	assert.Equal(t, "from the process", d.Resource.ServiceName())
	assert.Len(t, d.Attributes, 1)

	p := newProvider(t)
	t.Setenv("OTEL_SDK_DISABLED", "true")
	_, s := p.NewTracer("t").StartSpan(context.Background(), "one")
	assert.True(t, s.IsRecording(), "the environment is read once, by NewProvider")
	_, s = newProvider(t).NewTracer("t").StartSpan(context.Background(), "one")
	assert.False(t, s.IsRecording())
}

func TestSpec_OTEL_SDK_DISABLED(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"true": true, "TRUE": true, "True": true, "tRue\t": true,
		"": false, "false": false, "False": false, "1": false, "yes": false, "on": false, "t": false, "truely": false,
	} {
		var log syncBuffer
		tracer, _, _ := newTracer(t, withEnv(env{"OTEL_SDK_DISABLED": value}), tracing.WithLogger(logTo(&log)))
		_, s := tracer.Start(context.Background(), "one")
		assert.Equal(t, !want, s.IsRecording(), value)
		switch {
		case want:
			assert.Contains(t, log.String(), "level=INFO msg=\"spandrel: OTEL_SDK_DISABLED is true", value)
		case value == "" || strings.EqualFold(value, "false"):
			assert.Empty(t, log.String(), value)
		default:
			warnings(t, &log, "variable=OTEL_SDK_DISABLED value="+value+" want=\"true or false; it counts as false\"")
		}
	}
}

func TestDisabledProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		disabled := withEnv(env{"OTEL_SDK_DISABLED": "true"})
		quiet := tracing.WithLogger(slog.New(slog.DiscardHandler))
		detector := tracing.ResourceDetectorFunc(func(context.Context) (*tracing.Resource, error) {
			assert.Fail(t, "a detector was run")
			return nil, nil
		})
		c, enc := &collector{}, &encoder{}
		c.shutdown = func(context.Context) error { return errBackend }
		p, err := tracing.NewProvider(disabled, quiet, tracing.WithResourceDetectors(detector),
			tracing.WithExporter(c), tracing.WithExporter(enc))
		require.NoError(t, err)

		ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
		for name, tracer := range map[string]trace.Tracer{"API": p.Tracer("t"), "ours": p.NewTracer("t")} {
			next, s := tracer.Start(ctx, "one")
			assert.False(t, s.IsRecording(), name)
			assert.Equal(t, remoteParent(true), trace.SpanContextFromContext(next), "%s: what arrived travels on", name)
			s.End()
		}
		_, s := p.NewTracer("t").StartSpan(ctx, "one")
		s.SetAttribute("a", 1)
		s.Finish()
		require.NoError(t, p.ForceFlush(ctx))
		assert.Equal(t, tracing.Stats{}, p.Stats())
		require.ErrorIs(t, p.Shutdown(context.Background()), errBackend)
		require.ErrorIs(t, p.Shutdown(context.Background()), errBackend, "once")
		assert.Equal(t, 1, c.shutdowns)
		assert.Equal(t, 1, enc.shutdowns)
		assert.Empty(t, c.spans())
		assert.Empty(t, enc.tried())

		_, err = tracing.NewProvider(disabled, quiet, tracing.WithExporter(&collector{}, tracing.WithBatchSpans(0)))
		require.ErrorContains(t, err, "WithBatchSpans", "wrong options are wrong all the same")

		// It needs no Shutdown.
		_, err = tracing.NewProvider(disabled, quiet, tracing.WithExporter(&collector{}), tracing.WithExporter(&encoder{}))
		require.NoError(t, err)
	})
}

// Not parallel: it sets the global provider.
func TestDisabledProviderAsTheGlobalOne(t *testing.T) {
	p := newProvider(t, withEnv(env{"OTEL_SDK_DISABLED": "true"}), tracing.WithLogger(slog.New(slog.DiscardHandler)))
	tracing.SetGlobal(newProvider(t))
	defer tracing.SetGlobal(nil)
	_, s := tracing.StartSpan(context.Background(), "one")
	assert.True(t, s.IsRecording())
	tracing.SetGlobal(p)
	_, s = tracing.StartSpan(context.Background(), "one")
	assert.False(t, s.IsRecording())
	_, s = tracing.NewTracer("t").StartSpan(context.Background(), "one")
	assert.False(t, s.IsRecording())
}

func TestSpec_OTEL_RESOURCE_ATTRIBUTES(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for value, tt := range map[string]struct {
		want map[attribute.Key]string
		warn string
	}{
		"":                     {},
		"a=1":                  {want: map[attribute.Key]string{"a": "1"}},
		"a=1,b=two words,c=":   {want: map[attribute.Key]string{"a": "1", "b": "two words", "c": ""}},
		" a = 1 , b = 2 ,":     {want: map[attribute.Key]string{"a": "1", "b": "2"}},
		"a=1,a=2":              {want: map[attribute.Key]string{"a": "2"}},
		"a=1%2C2%3D2%25":       {want: map[attribute.Key]string{"a": "1,2=2%"}},
		"k%3D%2c=%20v%20":      {want: map[attribute.Key]string{"k=,": " v "}},
		"a=%E2%82%AC+€":        {want: map[attribute.Key]string{"a": "€+€"}},
		"a=dGV4dA==":           {want: map[attribute.Key]string{"a": "dGV4dA=="}},
		"telemetry.sdk.name=x": {want: map[attribute.Key]string{"telemetry.sdk.name": "x"}},
		"a=1,b":                {warn: `entry 2 has no \"=\"`},
		"a=1,=2":               {warn: "entry 2: no key"},
		"a=1,b=%zz":            {warn: `entry 2: invalid URL escape \"%zz\"`},
		"a=1,%=2":              {warn: "invalid URL escape"},
		"a=%ff":                {warn: "entry 1: not UTF-8"},
		"a=\xff":               {warn: "entry 1: not UTF-8"},
		long:                   {warn: "value=" + long[:100] + "..."},
	} {
		var log syncBuffer
		attrs := attrsOf(resourceOf(t, withEnv(env{"OTEL_RESOURCE_ATTRIBUTES": value}), tracing.WithLogger(logTo(&log))))
		for key, want := range tt.want {
			assert.Equal(t, attribute.StringValue(want), attrs[key], "%s in %q", key, value)
		}
		if tt.warn == "" {
			assert.Empty(t, log.String(), value)
		} else {
			warnings(t, &log, tt.warn)
			assert.Contains(t, log.String(), "variable=OTEL_RESOURCE_ATTRIBUTES")
			assert.NotContains(t, attrs, attribute.Key("a"), "all of it is discarded: %q", value)
			assert.Len(t, attrs, 4, value)
		}
	}
}

func TestOrderOfResources(t *testing.T) {
	t.Parallel()
	detector := tracing.ResourceDetectorFunc(func(context.Context) (*tracing.Resource, error) {
		return tracing.NewSchemaResource("https://example.com/1",
			attribute.String("telemetry.sdk.name", "detector"), attribute.String("a", "detector"), attribute.String("b", "detector")), nil
	})
	r := resourceOf(t, tracing.WithResource(attribute.String("b", "option")), tracing.WithResourceDetectors(detector),
		withEnv(env{"OTEL_RESOURCE_ATTRIBUTES": "a=environment,b=environment"}))
	attrs := attrsOf(r)
	assert.Equal(t, "detector", attrs["telemetry.sdk.name"].AsString())
	assert.Equal(t, "environment", attrs["a"].AsString())
	assert.Equal(t, "option", attrs["b"].AsString())
	assert.Equal(t, "https://example.com/1", r.SchemaURL(), "the environment does not know its conventions")
}

func TestSpec_OTEL_SERVICE_NAME(t *testing.T) {
	t.Parallel()
	both := env{"OTEL_SERVICE_NAME": "name", "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute,a=1"}
	r := resourceOf(t, withEnv(both))
	assert.Equal(t, "name", r.ServiceName(), "it takes precedence")
	assert.Equal(t, "1", attrsOf(r)["a"].AsString())
	assert.Equal(t, "option", resourceOf(t, withEnv(both), tracing.WithServiceName("option")).ServiceName())
	assert.Equal(t, "attribute", resourceOf(t, withEnv(env{
		"OTEL_SERVICE_NAME": "", "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute",
	})).ServiceName(), "an empty one is not set")
	assert.Contains(t, resourceOf(t, withEnv(env{"OTEL_SERVICE_NAME": " "})).ServiceName(), "unknown_service:")
}

// Not parallel: it sets slog's default logger.
func TestSpec_OTEL_LOG_LEVEL(t *testing.T) {
	defer slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil))) // package log follows the first SetDefault for good
	for _, tt := range []struct {
		level      string
		info, warn bool
		own        string // what is logged of the variable itself
	}{
		{"", true, true, ""},
		{"trace", true, true, ""},
		{"debug", true, true, ""},
		{"info", true, true, ""},
		{"warn", false, true, ""},
		{"WARN", false, true, ""},
		{"error", false, false, ""},
		{"none", false, false, ""},
		{"loud", true, true, "variable=OTEL_LOG_LEVEL value=loud"},
	} {
		// A disabled provider says so at level info, a wrong number is a warning.
		all := env{"OTEL_LOG_LEVEL": tt.level, "OTEL_SDK_DISABLED": "true", "OTEL_BSP_MAX_QUEUE_SIZE": "many"}
		var log, given syncBuffer
		slog.SetDefault(logTo(&log))
		newProvider(t, withEnv(all))
		assert.Equal(t, tt.info, strings.Contains(log.String(), "level=INFO"), tt.level)
		assert.Equal(t, tt.warn, strings.Contains(log.String(), "variable=OTEL_BSP_MAX_QUEUE_SIZE"), tt.level)
		assert.Equal(t, tt.own != "", strings.Contains(log.String(), "variable=OTEL_LOG_LEVEL"), tt.level)
		assert.Contains(t, log.String(), tt.own)

		newProvider(t, withEnv(all), tracing.WithLogger(logTo(&given)))
		assert.Contains(t, given.String(), "level=INFO", "a logger that is given has a level of its own")
		assert.Contains(t, given.String(), "level=WARN", tt.level)
	}
}

func TestLevelHandlerKeepsItsLevel(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	l := slog.New(tracing.LevelHandler(logTo(&log).Handler(), slog.LevelWarn)).With("a", 1).WithGroup("g")
	l.Info("no")
	l.Warn("yes", "b", 2)
	warnings(t, &log, "msg=yes a=1 g.b=2")
}

// decisions are what a provider's sampler makes of a root and of children of remote spans.
func decisions(t *testing.T, tracer *tracing.Tracer) (root, ofSampled, ofUnsampled bool) {
	t.Helper()
	ctx := context.Background()
	_, s := tracer.StartSpan(ctx, "root")
	_, c1 := tracer.StartSpan(ctx, "c1", tracing.WithRemoteParent(remoteParent(true)))
	_, c2 := tracer.StartSpan(ctx, "c2", tracing.WithRemoteParent(remoteParent(false)))
	return s.IsRecording(), c1.IsRecording(), c2.IsRecording()
}

func TestSpec_OTEL_TRACES_SAMPLER(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                         string
		root, ofSampled, ofUnsampled bool
		warn                         string
	}{
		{"", true, true, false, ""},
		{"always_on", true, true, true, ""},
		{"always_off", false, false, false, ""},
		{"traceidratio", true, true, true, ""},
		{"parentbased_always_on", true, true, false, ""},
		{"parentbased_always_off", false, true, false, ""},
		{"parentbased_traceidratio", true, true, false, ""},
		{"ALWAYS_Off", false, false, false, ""},
		{"jaeger_remote", true, true, false, "another package"},
		{"parentbased_jaeger_remote", true, true, false, "another package"},
		{"xray", true, true, false, "another package"},
		{"Sometimes", true, true, false, "variable=OTEL_TRACES_SAMPLER value=Sometimes want=\"always_on, always_off,"},
	} {
		var log syncBuffer
		e := withEnv(env{"OTEL_TRACES_SAMPLER": tt.name})
		tracer, _, _ := newTracer(t, e, tracing.WithLogger(logTo(&log)))
		root, ofSampled, ofUnsampled := decisions(t, tracer)
		assert.Equal(t, tt.root, root, tt.name)
		assert.Equal(t, tt.ofSampled, ofSampled, tt.name)
		assert.Equal(t, tt.ofUnsampled, ofUnsampled, tt.name)
		if tt.warn == "" {
			warnings(t, &log)
		} else {
			warnings(t, &log, tt.warn)
		}

		var quiet syncBuffer
		tracer, _, _ = newTracer(t, e, tracing.WithSampler(sampling.AlwaysOff()), tracing.WithLogger(logTo(&quiet)))
		_, ofSampled, _ = decisions(t, tracer)
		assert.False(t, ofSampled, "an option beats %s", tt.name)
		warnings(t, &quiet)
	}
}

func TestSpec_OTEL_TRACES_SAMPLER_ARG(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		arg   string
		ratio float64
		warn  string
	}{
		{"", 1, ""},
		{"0", 0, ""},
		{"0.25", 0.25, ""},
		{" 1.0 ", 1, ""},
		{"1e-9", 1e-9, ""},
		{"-0.1", 1, "value=-0.1"},
		{"1.01", 1, "want=\"a number from 0 to 1; it counts as 1\""},
		{"NaN", 1, "value=NaN"},
		{"half", 1, "variable=OTEL_TRACES_SAMPLER_ARG value=half"},
	} {
		want, err := sampling.Ratio(tt.ratio)
		require.NoError(t, err)
		for _, name := range []string{"traceidratio", "parentbased_traceidratio"} {
			var log syncBuffer
			tracer, _, _ := newTracer(t, tracing.WithLogger(logTo(&log)),
				withEnv(env{"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": tt.arg}))
			for range 100 {
				_, s := tracer.StartSpan(context.Background(), "root")
				decision := want.Sample(sampling.Parameters{TraceID: s.SpanContext().TraceID()}).Decision
				require.Equal(t, decision == sampling.RecordAndSample, s.IsRecording(), "%s %s", name, tt.arg)
			}
			_, ofSampled, _ := decisions(t, tracer)
			if name == "parentbased_traceidratio" {
				assert.True(t, ofSampled, tt.arg)
			}
			if tt.warn == "" {
				warnings(t, &log)
			} else {
				warnings(t, &log, tt.warn)
			}
		}
	}
	var log syncBuffer
	newTracer(t, tracing.WithLogger(logTo(&log)), withEnv(env{"OTEL_TRACES_SAMPLER_ARG": "half"}))
	warnings(t, &log) // it does not count without a sampler
	tracer, _, _ := newTracer(t, tracing.WithLogger(logTo(&log)),
		withEnv(env{"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "0"}))
	root, _, _ := decisions(t, tracer)
	assert.True(t, root)
	warnings(t, &log, "variable=OTEL_TRACES_SAMPLER_ARG value=0 want=\"none for the sampler always_on\"")
}

func TestSpec_OTEL_BSP_SCHEDULE_DELAY(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value string
		opts  []tracing.PipelineOption
		want  time.Duration // at most, and more than two thirds of it
	}{
		{"", nil, 5 * time.Second},
		{"900", nil, 900 * time.Millisecond},
		{"0", nil, time.Millisecond},
		{"-1", nil, 5 * time.Second},
		{"2.5", nil, 5 * time.Second},
		{"9e9", nil, 5 * time.Second},
		{"2147483648", nil, 5 * time.Second},
		{"900", []tracing.PipelineOption{tracing.WithBatchDelay(30 * time.Second)}, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var at time.Duration
			start := time.Now()
			c := &collector{export: func(context.Context, []*tracing.SpanData) error {
				at = time.Since(start)
				return nil
			}}
			p := newProvider(t, tracing.WithExporter(c, tt.opts...), tracing.WithLogger(slog.New(slog.DiscardHandler)),
				withEnv(env{"OTEL_BSP_SCHEDULE_DELAY": tt.value}))
			_, s := p.NewTracer("t").StartSpan(context.Background(), "one")
			s.End()
			time.Sleep(2 * tt.want)
			synctest.Wait()
			assert.Positive(t, at, tt.value)
			assert.LessOrEqual(t, at, tt.want, tt.value)
			assert.GreaterOrEqual(t, at, tt.want/3, tt.value)
		})
	}
}

func TestSpec_OTEL_BSP_EXPORT_TIMEOUT(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value string
		opts  []tracing.PipelineOption
		want  time.Duration
	}{
		{"", nil, 30 * time.Second},
		{"7000", nil, 7 * time.Second},
		{"0", nil, (1<<31 - 1) * time.Millisecond}, // no limit
		{"-1", nil, 30 * time.Second},
		{"7s", nil, 30 * time.Second},
		{"7000", []tracing.PipelineOption{tracing.WithExportTimeout(time.Second)}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got time.Duration
			c := &collector{export: func(ctx context.Context, _ []*tracing.SpanData) error {
				deadline, ok := ctx.Deadline()
				assert.True(t, ok)
				got = time.Until(deadline)
				return nil
			}}
			p := newProvider(t, tracing.WithExporter(c, tt.opts...), tracing.WithLogger(slog.New(slog.DiscardHandler)),
				withEnv(env{"OTEL_BSP_EXPORT_TIMEOUT": tt.value}))
			_, s := p.NewTracer("t").StartSpan(context.Background(), "one")
			s.End()
			flush(t, p)
			assert.Equal(t, tt.want, got, tt.value)
		})
	}
}

func TestSpec_OTEL_BSP_MAX_QUEUE_SIZE(t *testing.T) {
	t.Parallel()
	// Of 4000 spans that no exporter takes for now, what is beyond the queue is dropped, but for one
	// batch that is being made and one that is being sent.
	const spans = 4000
	for _, tt := range []struct {
		value       string
		opts        []tracing.PipelineOption
		least, most uint64 // dropped
	}{
		{"", nil, spans - 2048 - 1024, spans - 2048},
		{"100", nil, spans - 300, spans - 100},
		{"0", nil, spans - 2048 - 1024, spans - 2048}, // not in range: the default
		{"-1", nil, spans - 2048 - 1024, spans - 2048},
		{"x", nil, spans - 2048 - 1024, spans - 2048},
		{"100", []tracing.PipelineOption{tracing.WithQueueSpans(spans)}, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			open := make(chan struct{})
			c := &collector{export: func(context.Context, []*tracing.SpanData) error {
				<-open
				return nil
			}}
			p := newProvider(t, tracing.WithExporter(c, tt.opts...), tracing.WithLogger(slog.New(slog.DiscardHandler)),
				withEnv(env{"OTEL_BSP_MAX_QUEUE_SIZE": tt.value}))
			for range spans {
				_, s := p.NewTracer("t").StartSpan(context.Background(), "one")
				s.End()
				synctest.Wait()
			}
			dropped := p.Stats().Exporters[0].Dropped.QueueFull
			close(open)
			assert.GreaterOrEqual(t, dropped, tt.least, tt.value)
			assert.LessOrEqual(t, dropped, tt.most, tt.value)
			flush(t, p)
		})
	}
}

func TestSpec_OTEL_BSP_MAX_EXPORT_BATCH_SIZE(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		batch, queue string
		opts         []tracing.PipelineOption
		want         int // spans of the largest batch, of 1000
		warn         []string
	}{
		{"", "", nil, 512, nil},
		{"7", "", nil, 7, nil},
		{"0", "", nil, 512, []string{"variable=OTEL_BSP_MAX_EXPORT_BATCH_SIZE value=0 want=\"a whole number from 1 to 2147483647\""}},
		{"-7", "", nil, 512, []string{"value=-7"}},
		{"1000", "1000", nil, 1000, nil},
		{"1001", "1000", nil, 1000, []string{"value=1001 want=\"at most the size of the queue; it counts as 1000\""}},
		{"7", "", []tracing.PipelineOption{tracing.WithBatchSpans(9)}, 9, nil},
		{"700", "10", []tracing.PipelineOption{tracing.WithQueueSpans(2000)}, 700, nil},
	} {
		name := fmt.Sprintf("batch %s, queue %s", tt.batch, tt.queue)
		var log syncBuffer
		c := &collector{}
		opts := append([]tracing.PipelineOption{tracing.WithBatchDelay(time.Hour)}, tt.opts...)
		p := newProvider(t, tracing.WithExporter(c, opts...), tracing.WithLogger(logTo(&log)), withEnv(env{
			"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": tt.batch, "OTEL_BSP_MAX_QUEUE_SIZE": tt.queue,
		}))
		ctx, root := p.NewTracer("t").StartSpan(context.Background(), "root") // one local trace, one hand-over
		for range 999 {
			_, s := p.NewTracer("t").StartSpan(ctx, "child")
			s.End()
		}
		root.End()
		flush(t, p)
		assert.LessOrEqual(t, slices.Max(c.sizes()), tt.want, name)
		if tt.want < 100 {
			assert.Equal(t, tt.want, slices.Max(c.sizes()), name)
		}
		warnings(t, &log, tt.warn...)
	}
}

// limitCase is a variable of limits and what it bounds.
type limitCase struct {
	names  []string // the first that holds a number counts
	def    int
	option func(int) tracing.SpanLimits
	// count returns how many of 200 were kept, and how many were dropped.
	count func(*tracing.SpanData) (kept, dropped int)
}

// checkLimits tries a limit's variables, set alone, together, wrongly, and under an option.
func checkLimits(t *testing.T, lc limitCase) {
	t.Helper()
	const given = 200
	try := func(want int, warn []string, e env, opts ...tracing.Option) {
		t.Helper()
		var log syncBuffer
		opts = append(opts, withEnv(e), tracing.WithLogger(logTo(&log)))
		d := one(t, func(s *tracing.Span) {
			s.SetAttributes(attribute.String("text", strings.Repeat("ä", given)))
			for _, kv := range numbered(given - 1) {
				s.SetAttributes(kv)
			}
			for range given - 1 {
				s.AddEvent("e")
				s.AddLink(trace.Link{SpanContext: remoteParent(true)})
			}
			s.AddEvent("last", trace.WithAttributes(numbered(given)...))
			s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: numbered(given)})
		}, opts...)
		kept, dropped := lc.count(d)
		assert.Equal(t, want, kept, "%v", e)
		assert.Equal(t, given-want, dropped, "%v", e)
		lines := slices.DeleteFunc(strings.Split(log.String(), "\n"), func(s string) bool { return !strings.Contains(s, "variable=") })
		assert.Len(t, lines, len(warn), log.String())
		for i := range min(len(lines), len(warn)) {
			assert.Contains(t, lines[i], warn[i])
		}
	}
	name := lc.names[0]
	try(lc.def, nil, env{})
	try(lc.def, nil, env{name: " "})
	for _, n := range lc.names {
		try(3, nil, env{n: "3"})
		try(0, nil, env{n: "0"})
		try(given, nil, env{n: "200"})
		try(given, nil, env{n: "2147483647"})
		for _, bad := range []string{"-1", "many", "1.5", "2147483648"} {
			try(lc.def, []string{"variable=" + n + " value=" + bad + " want=\"a whole number from 0 to 2147483647\""}, env{n: bad})
		}
	}
	try(9, nil, env{name: "3"}, tracing.WithSpanLimits(lc.option(9)))
	try(given, nil, env{name: "3"}, tracing.WithSpanLimits(lc.option(-1)))
	try(3, nil, env{name: "3"}, tracing.WithSpanLimits(tracing.SpanLimits{}))
	if len(lc.names) > 1 {
		general := lc.names[1]
		try(3, nil, env{name: "3", general: "5"})
		try(0, nil, env{name: "0", general: "5"})
		try(5, nil, env{name: "", general: "5"})
		try(5, []string{"variable=" + name + " value=x"}, env{name: "x", general: "5"})
	}
}

func attributeCount(d *tracing.SpanData) (kept, dropped int) {
	return len(d.Attributes), d.DroppedAttributes
}

func valueLength(d *tracing.SpanData) (kept, dropped int) {
	text, _ := value(d.Attributes, "text")
	n := len([]rune(text.AsString()))
	return n, 200 - n
}

func TestSpec_OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"},
		128,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{Attributes: n} }, attributeCount,
	})
}

func TestSpec_OTEL_ATTRIBUTE_COUNT_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_ATTRIBUTE_COUNT_LIMIT"},
		128,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{Attributes: n} }, attributeCount,
	})
	d := one(t, func(s *tracing.Span) { s.AddEvent("e", trace.WithAttributes(numbered(3)...)) },
		withEnv(env{"OTEL_ATTRIBUTE_COUNT_LIMIT": "1"}))
	assert.Len(t, d.Events[0].Attributes, 3, "events have a limit of their own")
}

func TestSpec_OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"},
		200,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{AttributeValueLength: n} }, valueLength,
	})
}

func TestSpec_OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"},
		200,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{AttributeValueLength: n} }, valueLength,
	})
}

func TestSpec_OTEL_SPAN_EVENT_COUNT_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_SPAN_EVENT_COUNT_LIMIT"},
		128,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{Events: n} },
		func(d *tracing.SpanData) (int, int) { return len(d.Events), d.DroppedEvents },
	})
}

func TestSpec_OTEL_SPAN_LINK_COUNT_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_SPAN_LINK_COUNT_LIMIT"},
		128,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{Links: n} },
		func(d *tracing.SpanData) (int, int) { return len(d.Links), d.DroppedLinks },
	})
}

func TestSpec_OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"},
		128,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{AttributesPerEvent: n} },
		func(d *tracing.SpanData) (int, int) {
			last := d.Events[len(d.Events)-1]
			return len(last.Attributes), last.DroppedAttributes
		},
	})
}

func TestSpec_OTEL_LINK_ATTRIBUTE_COUNT_LIMIT(t *testing.T) {
	t.Parallel()
	checkLimits(t, limitCase{
		[]string{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"},
		128,
		func(n int) tracing.SpanLimits { return tracing.SpanLimits{AttributesPerLink: n} },
		func(d *tracing.SpanData) (int, int) {
			last := d.Links[len(d.Links)-1]
			return len(last.Attributes), last.DroppedAttributes
		},
	})
}

func TestWithEnvironmentNil(t *testing.T) {
	t.Parallel()
	_, err := tracing.NewProvider(tracing.WithEnvironment(nil))
	require.EqualError(t, err, "tracing: WithEnvironment: lookup is nil")
}

func TestEnvironmentIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/environment.md")
	require.NoError(t, err)
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(OTEL_[A-Z_]+)`").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, m[1])
	}
	var read []string
	newProvider(t, tracing.WithExporter(&collector{}), tracing.WithEnvironment(func(name string) (string, bool) {
		if !slices.Contains(read, name) {
			read = append(read, name)
		}
		// A sampler, so that its argument is read too.
		return "traceidratio", name == "OTEL_TRACES_SAMPLER"
	}))
	assert.ElementsMatch(t, documented, read, "docs/environment.md lists what is read")
	assert.NotEmpty(t, read)
}
