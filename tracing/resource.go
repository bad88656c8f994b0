// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

const (
	serviceNameKey   attribute.Key = "service.name"
	sdkNameKey       attribute.Key = "telemetry.sdk.name"
	sdkLanguageKey   attribute.Key = "telemetry.sdk.language"
	sdkVersionKey    attribute.Key = "telemetry.sdk.version"
	defaultNameStart               = "unknown_service:"
)

// Resource is what the spans of one provider have in common: attributes of the process. It is
// immutable and safe for concurrent use.
type Resource struct {
	attrs       []attribute.KeyValue
	serviceName string
}

// NewResource makes a resource. The last of several values of one key wins; attributes that are not
// valid are left out. Attributes are kept sorted by key.
func NewResource(attrs ...attribute.KeyValue) *Resource {
	r := &Resource{}
	for _, kv := range attrs {
		if !kv.Valid() {
			continue
		}
		i, found := slices.BinarySearchFunc(r.attrs, kv.Key, func(a attribute.KeyValue, k attribute.Key) int {
			return strings.Compare(string(a.Key), string(k))
		})
		if found {
			r.attrs[i] = kv
		} else {
			r.attrs = slices.Insert(r.attrs, i, kv)
		}
		if kv.Key == serviceNameKey {
			r.serviceName = kv.Value.String()
		}
	}
	r.attrs = slices.Clip(r.attrs)
	return r
}

// defaultResource holds what OpenTelemetry asks of every SDK (resource/sdk.md, "SDK-provided
// resource attributes"); later attributes replace it.
func defaultResource(attrs []attribute.KeyValue) *Resource {
	exe := "unknown_service"
	if path, err := os.Executable(); err == nil {
		exe = defaultNameStart + filepath.Base(path)
	}
	return NewResource(append([]attribute.KeyValue{
		serviceNameKey.String(exe),
		sdkNameKey.String("spandrel"),
		sdkLanguageKey.String("go"),
		sdkVersionKey.String(Version),
	}, attrs...)...)
}

// Attributes returns the attributes, sorted by key. The caller must not write to them.
func (r *Resource) Attributes() []attribute.KeyValue { return r.attrs }

// ServiceName returns the value of service.name, or "" when there is none.
func (r *Resource) ServiceName() string { return r.serviceName }

// Scope names the code that makes spans: OpenTelemetry's instrumentation scope. It is immutable.
type Scope struct {
	Name       string
	Version    string
	SchemaURL  string
	Attributes []attribute.KeyValue
}
