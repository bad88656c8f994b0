// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
)

// resourceOf returns the resource that spans of a provider have.
func resourceOf(t testing.TB, opts ...tracing.Option) *tracing.Resource {
	t.Helper()
	return one(t, func(*tracing.Span) {}, opts...).Resource
}

// attrsOf returns the attributes as a map, in which the types of values stay.
func attrsOf(r *tracing.Resource) map[attribute.Key]attribute.Value {
	m := map[attribute.Key]attribute.Value{}
	for _, kv := range r.Attributes() {
		m[kv.Key] = kv.Value
	}
	return m
}

func TestSpec_Create_from_Attributes(t *testing.T) {
	t.Parallel()
	r := tracing.NewResource(attribute.String("b", "1"), attribute.Int("a", 2), attribute.String("", "no key"), attribute.String("b", "3"))
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 2), attribute.String("b", "3")}, r.Attributes())
	assert.Empty(t, r.SchemaURL())

	r = tracing.NewSchemaResource("https://example.com/1", attribute.String("service.name", "shop"))
	assert.Equal(t, []attribute.KeyValue{attribute.String("service.name", "shop")}, r.Attributes())
	assert.Equal(t, "https://example.com/1", r.SchemaURL())
	assert.Equal(t, "shop", r.ServiceName())

	d := resourceOf(t, tracing.WithResource(attribute.String("b", "1"), attribute.Int("a", 2)))
	assert.Subset(t, d.Attributes(), []attribute.KeyValue{attribute.Int("a", 2), attribute.String("b", "1")})
}

func TestSpec_Create_empty(t *testing.T) {
	t.Parallel()
	var none *tracing.Resource
	for name, r := range map[string]*tracing.Resource{"made": tracing.NewResource(), "nil": none} {
		assert.Empty(t, r.Attributes(), name)
		assert.Empty(t, r.ServiceName(), name)
		assert.Empty(t, r.SchemaURL(), name)
		assert.Empty(t, r.SchemaConflict(), name)
	}
}

func TestSpec_Merge_v2(t *testing.T) {
	t.Parallel()
	old := tracing.NewSchemaResource("https://example.com/1",
		attribute.String("a", "old"), attribute.String("both", "old"), attribute.String("emptied", "old"),
		attribute.String("service.name", "old"), attribute.String("type", "1"))
	updating := tracing.NewSchemaResource("https://example.com/1",
		attribute.String("both", "new"), attribute.String("emptied", ""), attribute.String("service.name", "new"),
		attribute.Int("type", 1), attribute.String("z", "new"))
	want := []attribute.KeyValue{
		attribute.String("a", "old"), attribute.String("both", "new"), attribute.String("emptied", ""),
		attribute.String("service.name", "new"), attribute.Int("type", 1), attribute.String("z", "new"),
	}
	m := old.Merge(updating)
	assert.Equal(t, want, m.Attributes(), "the updating one wins, also with an empty value")
	assert.Equal(t, "new", m.ServiceName())
	assert.Equal(t, "https://example.com/1", m.SchemaURL())
	assert.Equal(t, attribute.String("both", "old"), old.Attributes()[1], "neither changes")
	assert.Len(t, updating.Attributes(), 5)

	var none *tracing.Resource
	assert.Equal(t, old.Attributes(), old.Merge(none).Attributes())
	assert.Equal(t, old.Attributes(), none.Merge(old).Attributes())
	assert.Equal(t, "old", none.Merge(old).ServiceName())
	assert.Empty(t, none.Merge(none).Attributes())

	removed := attribute.KeyValue{Key: "both"}
	assert.Equal(t, removed, old.Merge(tracing.NewResource(removed)).Attributes()[1], "an empty value is a value")
}

func TestMergeOfSchemaURLs(t *testing.T) {
	t.Parallel()
	const a, b, c = "https://example.com/a", "https://example.com/b", "https://example.com/c"
	for name, tt := range map[string]struct {
		urls     []string
		want     string
		conflict []string
	}{
		"none":                       {[]string{"", ""}, "", nil},
		"the old one has it":         {[]string{a, ""}, a, nil},
		"the updating one has it":    {[]string{"", a}, a, nil},
		"both have the same":         {[]string{a, a}, a, nil},
		"two different":              {[]string{b, a}, "", []string{a, b}},
		"a third does not settle it": {[]string{b, a, a, ""}, "", []string{a, b}},
		"a third differs too":        {[]string{b, a, c}, "", []string{a, b, c}},
	} {
		r := tracing.NewResource()
		var keys []attribute.KeyValue
		for i, url := range tt.urls {
			kv := numbered(i + 1)[i]
			keys = append(keys, kv)
			r = r.Merge(tracing.NewSchemaResource(url, kv))
		}
		assert.Equal(t, tt.want, r.SchemaURL(), name)
		assert.Equal(t, tt.conflict, r.SchemaConflict(), name)
		assert.Equal(t, keys, r.Attributes(), "%s: all attributes stay", name)
	}
}

func TestSpec_Retrieve_attributes(t *testing.T) {
	t.Parallel()
	r := resourceOf(t, tracing.WithServiceName("shop"), tracing.WithResource(attribute.String("host.name", "h")))
	attrs := attrsOf(r)
	assert.Equal(t, "shop", attrs["service.name"].AsString())
	assert.Equal(t, "h", attrs["host.name"].AsString())
	assert.Len(t, attrs, len(r.Attributes()), "keys are unique")
}

func TestSpec_Default_value_for_service_name(t *testing.T) {
	t.Parallel()
	path, err := os.Executable()
	require.NoError(t, err)
	r := resourceOf(t)
	assert.Equal(t, "unknown_service:"+filepath.Base(path), r.ServiceName())
	attrs := attrsOf(r)
	assert.Equal(t, r.ServiceName(), attrs["service.name"].AsString())
	assert.Equal(t, "spandrel", attrs["telemetry.sdk.name"].AsString())
	assert.Equal(t, "go", attrs["telemetry.sdk.language"].AsString())
	assert.Equal(t, tracing.Version, attrs["telemetry.sdk.version"].AsString())
}

func TestSpec_Resource_detector_interface_mechanism(t *testing.T) {
	t.Parallel()
	detector := func(attrs ...attribute.KeyValue) tracing.ResourceDetector {
		return tracing.ResourceDetectorFunc(func(context.Context) (*tracing.Resource, error) {
			return tracing.NewResource(attrs...), nil
		})
	}
	attrs := attrsOf(resourceOf(t,
		tracing.WithServiceName("explicit"),
		tracing.WithResourceDetectors(
			detector(attribute.String("a", "first"), attribute.String("b", "first"), attribute.String("telemetry.sdk.name", "mine")),
			detector(attribute.String("b", "second"), attribute.String("c", "second"), attribute.String("service.name", "detected")),
		),
		tracing.WithResourceDetectors(detector(attribute.String("c", "third"), attribute.String("d", "third"))),
		tracing.WithResource(attribute.String("d", "explicit")),
	))
	for key, want := range map[attribute.Key]string{
		"a": "first", "b": "second", "c": "third", // the later one
		"d": "explicit", "service.name": "explicit", // explicit options beat detectors
		"telemetry.sdk.name": "mine", // which beat defaults
	} {
		assert.Equal(t, want, attrs[key].AsString(), key)
	}
}

func TestSpec_Resource_detectors_populate_Schema_URL(t *testing.T) {
	t.Parallel()
	detectors := []tracing.ResourceDetector{
		tracing.ProcessDetector(), tracing.HostDetector(), tracing.OSDetector(), tracing.ServiceInstanceDetector(),
	}
	for _, d := range detectors {
		r, err := d.Detect(context.Background())
		require.NoError(t, err, "%T", d)
		assert.NotEmpty(t, r.Attributes(), "%T", d)
		assert.Equal(t, tracing.SchemaURL, r.SchemaURL(), "%T", d)
	}
	r, err := tracing.ContainerDetectorOn(dockerFiles).Detect(context.Background())
	require.NoError(t, err)
	assert.Equal(t, tracing.SchemaURL, r.SchemaURL())

	together := resourceOf(t, tracing.WithResourceDetectors(detectors...), tracing.WithServiceName("shop"))
	assert.Equal(t, tracing.SchemaURL, together.SchemaURL(), "they agree, and what has no schema URL does not matter")
	assert.Equal(t, "shop", together.ServiceName())
}
