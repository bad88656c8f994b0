// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/sampling"
)

// environment reads the environment variables that OpenTelemetry defines, once for each provider.
// What they say wrongly is logged and counts as not set; nothing here fails. docs/environment.md lists
// them all. Source: OpenTelemetry specification, configuration/sdk-environment-variables.md and
// configuration/common.md.
type environment struct {
	lookup func(name string) (value string, ok bool)
	logger *slog.Logger
}

// maxInteger is the largest number that every SDK understands (configuration/common.md, "Integer").
const maxInteger = math.MaxInt32

// get returns a variable's value, "" where it is not set: an empty value is the same.
func (e *environment) get(name string) string {
	value, _ := e.lookup(name)
	return strings.TrimSpace(value)
}

// warn reports a value that does not count. want says what would.
func (e *environment) warn(name, value, want string) {
	e.logger.Warn("spandrel: an environment variable is ignored", "variable", name, "value", shorten(value), "want", want)
}

// shorten returns so much of a value that a log entry stays one.
func shorten(value string) string {
	const shown = 100 // characters
	if cut := truncate(value, shown); cut != value {
		return cut + "..."
	}
	return value
}

// boolean is true for "true" in any case only.
func (e *environment) boolean(name string) bool {
	value := e.get(name)
	if value != "" && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		e.warn(name, value, "true or false; it counts as false")
	}
	return strings.EqualFold(value, "true")
}

// integer returns a number of at least low, and false if the variable does not hold one.
func (e *environment) integer(name string, low int) (int, bool) {
	value := e.get(name)
	if value == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < int64(low) || n > maxInteger {
		e.warn(name, value, fmt.Sprintf("a whole number from %d to %d", low, maxInteger))
		return 0, false
	}
	return int(n), true
}

// set puts the first number that one of the variables holds into n, if there is one.
func (e *environment) set(n *int, low int, names ...string) (done bool) {
	for _, name := range names {
		if v, ok := e.integer(name, low); ok {
			*n = v
			return true
		}
	}
	return false
}

// Variables that are read in more than one place.
const (
	envLogLevel           = "OTEL_LOG_LEVEL"
	envSampler            = "OTEL_TRACES_SAMPLER"
	envSamplerArg         = "OTEL_TRACES_SAMPLER_ARG"
	envResourceAttributes = "OTEL_RESOURCE_ATTRIBUTES"
	envBatchSize          = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
	envTracesExporter     = "OTEL_TRACES_EXPORTER"
)

// disabled says whether the provider is to make no spans.
func (e *environment) disabled() bool { return e.boolean("OTEL_SDK_DISABLED") }

// limits changes the defaults of limits, where 0 means none at all. The number of attributes of an
// event and of a link have no general variable behind them: they are limits of their own.
func (e *environment) limits(l *SpanLimits) {
	e.set(&l.Attributes, 0, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")
	e.set(&l.AttributeValueLength, 0, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
	e.set(&l.Events, 0, "OTEL_SPAN_EVENT_COUNT_LIMIT")
	e.set(&l.Links, 0, "OTEL_SPAN_LINK_COUNT_LIMIT")
	e.set(&l.AttributesPerEvent, 0, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT")
	e.set(&l.AttributesPerLink, 0, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT")
}

// pipeline changes the defaults of pipelines.
func (e *environment) pipeline(c *pipelineConfig) {
	if e.set(&c.queueSpans, 1, "OTEL_BSP_MAX_QUEUE_SIZE") {
		c.encodedSpans = c.queueSpans
	}
	c.batchFromEnv = e.set(&c.batchSpans, 1, envBatchSize)
	millis := 0
	if e.set(&millis, 0, "OTEL_BSP_SCHEDULE_DELAY") {
		c.delay = time.Duration(max(millis, 1)) * time.Millisecond // the pipeline wakes in thirds of it
	}
	if e.set(&millis, 0, "OTEL_BSP_EXPORT_TIMEOUT") {
		if millis == 0 { // no limit
			millis = maxInteger
		}
		c.timeout = time.Duration(millis) * time.Millisecond
	}
}

// exporters says that the program chooses the exporters, where the variable names others: whoever has set it
// waits for spans at another place.
func (e *environment) exporters(given []exporterConfig) {
	value := e.get(envTracesExporter)
	if value == "" || strings.EqualFold(value, "none") {
		return
	}
	types := make([]string, len(given))
	for i, g := range given {
		types[i] = fmt.Sprintf("%T", g.exporter)
	}
	for name := range strings.SplitSeq(value, ",") {
		prefix := strings.ToLower(strings.TrimSpace(name)) + "." // the name is that of the exporter's package
		if !slices.ContainsFunc(types, func(t string) bool { return strings.HasPrefix(strings.TrimLeft(t, "*"), prefix) }) {
			e.logger.Info("spandrel: "+envTracesExporter+" is ignored: the program chooses its exporters",
				"value", shorten(value), "exporters", types)
			return
		}
	}
}

// sampler returns the sampler that the variables name, or nil.
func (e *environment) sampler() sampling.Sampler {
	name := e.get(envSampler)
	ratio, parentBased := false, false
	var s sampling.Sampler
	switch strings.ToLower(name) {
	case "":
		return nil // and its argument does not count
	case "always_on":
		s = sampling.AlwaysOn()
	case "always_off":
		s = sampling.AlwaysOff()
	case "traceidratio":
		ratio = true
	case "parentbased_always_on":
		s, parentBased = sampling.AlwaysOn(), true
	case "parentbased_always_off":
		s, parentBased = sampling.AlwaysOff(), true
	case "parentbased_traceidratio":
		ratio, parentBased = true, true
	case "jaeger_remote", "parentbased_jaeger_remote", "xray":
		e.warn(envSampler, name, "a sampler that needs no network; give WithSampler one of another package, such as sampling/jaegerremote")
		return nil
	default:
		e.warn(envSampler, name, "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio")
		return nil
	}
	arg := e.get(envSamplerArg)
	if ratio {
		s = e.ratio(arg)
	} else if arg != "" {
		e.warn(envSamplerArg, arg, "none for the sampler "+name)
	}
	if parentBased {
		s = sampling.ParentBased(s)
	}
	return s
}

// ratio returns the sampler of a rate; all are sampled where arg holds none.
func (e *environment) ratio(arg string) sampling.Sampler {
	rate := 1.0
	if arg != "" {
		var err error
		if rate, err = strconv.ParseFloat(arg, 64); err != nil {
			rate = math.NaN()
		}
	}
	s, err := sampling.Ratio(rate)
	if err != nil {
		e.warn(envSamplerArg, arg, "a number from 0 to 1; it counts as 1")
		return e.ratio("")
	}
	return s
}

// resource returns the resource that the variables describe. It has no schema URL: nobody knows what
// conventions its attributes keep to.
func (e *environment) resource() *Resource {
	var attrs []attribute.KeyValue
	if text := e.get(envResourceAttributes); text != "" {
		var err error
		if attrs, err = parseAttributes(text); err != nil {
			e.warn(envResourceAttributes, text, "key=value,key=value with percent-encoding; all of it is discarded: "+err.Error())
		}
	}
	if name := e.get("OTEL_SERVICE_NAME"); name != "" {
		attrs = append(attrs, serviceNameKey.String(name))
	}
	return NewResource(attrs...)
}

// parseAttributes reads key=value,key=value, in which both sides are percent-encoded; the last value
// of a key counts. A "=" in a value needs no encoding; an empty entry is no entry. An error leaves
// nothing of it. Source: OpenTelemetry specification, resource/sdk.md, "Specifying resource information
// via an environment variable".
func parseAttributes(text string) ([]attribute.KeyValue, error) {
	var attrs []attribute.KeyValue
	for i, entry := range strings.Split(text, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		left, right, found := strings.Cut(entry, "=")
		if !found {
			return nil, fmt.Errorf("entry %d has no \"=\"", i+1)
		}
		key, err := decodePercent(left)
		if err == nil && key == "" {
			err = errNoKey
		}
		value, valueErr := decodePercent(right)
		if err = errors.Join(err, valueErr); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		attrs = append(attrs, attribute.String(key, value))
	}
	return attrs, nil
}

var (
	errNoKey   = errors.New("no key")
	errNotUTF8 = errors.New("not UTF-8")
)

// decodePercent trims the white space that is not encoded, and decodes.
func decodePercent(s string) (string, error) {
	s, err := url.PathUnescape(strings.TrimSpace(s))
	if err == nil && !utf8.ValidString(s) {
		err = errNotUTF8
	}
	return s, err
}

// noLevel is above all levels that anybody logs with.
const noLevel slog.Level = math.MaxInt

// defaultLogger returns slog.Default, without what is below the level that the environment sets.
func (e *environment) defaultLogger() *slog.Logger {
	e.logger = slog.Default() // for what is wrong with the level itself
	var level slog.Level
	switch value := e.get(envLogLevel); strings.ToLower(value) {
	case "", "info", "debug", "trace": // slog.Default's own level may still be higher
		return e.logger
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	case "none":
		level = noLevel
	default:
		e.warn(envLogLevel, value, "none, error, warn, info, debug or trace")
		return e.logger
	}
	return slog.New(&levelHandler{e.logger.Handler(), level})
}

// levelHandler is a handler without what is below a level.
type levelHandler struct {
	slog.Handler
	level slog.Level
}

func (h *levelHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

func (h *levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &levelHandler{h.Handler.WithAttrs(attrs), h.level}
}

func (h *levelHandler) WithGroup(name string) slog.Handler {
	return &levelHandler{h.Handler.WithGroup(name), h.level}
}
