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
// immutable and safe for concurrent use. A nil *Resource is an empty one.
type Resource struct {
	attrs       []attribute.KeyValue // sorted by key, keys are unique
	serviceName string
	schemaURL   string   // "" where conflict is not empty
	conflict    []string // sorted
}

// NewResource makes a resource without a schema URL; without attributes, the empty resource. The
// last of several values of one key wins, in a value that is a map too; attributes with an empty key
// are left out. No limit applies (common/README.md, "Exempt Entities").
func NewResource(attrs ...attribute.KeyValue) *Resource { return NewSchemaResource("", attrs...) }

// NewSchemaResource makes a resource as [NewResource] does, of attributes that keep to the semantic
// conventions which schemaURL names. "" names none.
func NewSchemaResource(schemaURL string, attrs ...attribute.KeyValue) *Resource {
	r := &Resource{schemaURL: schemaURL}
	for _, kv := range attrs {
		if !kv.Valid() {
			continue
		}
		noLimits := SpanLimits{AttributeValueLength: unlimited, AttributeValueDepth: unlimited}
		noLimits.fit(&kv)
		i, found := slices.BinarySearchFunc(r.attrs, kv.Key, func(a attribute.KeyValue, k attribute.Key) int {
			return strings.Compare(string(a.Key), string(k))
		})
		if found {
			r.attrs[i] = kv
		} else {
			r.attrs = slices.Insert(r.attrs, i, kv)
		}
	}
	r.finish()
	return r
}

// finish derives what follows from the attributes.
func (r *Resource) finish() {
	r.attrs = slices.Clip(r.attrs)
	for i := range r.attrs {
		if r.attrs[i].Key == serviceNameKey {
			r.serviceName = r.attrs[i].Value.String()
		}
	}
}

// Merge returns a resource with the attributes of both; where both have a key, the value of updating
// counts, even an empty one. It never fails. The schema URL is the one that the two have, or that one
// of them has. If they have two different ones the result has none, keeps all attributes, and
// [Resource.SchemaConflict] names the URLs: a provider logs that as a warning. Source:
// OpenTelemetry specification, resource/sdk.md, "Merge", which leaves that case to us.
func (r *Resource) Merge(updating *Resource) *Resource {
	if r == nil {
		r = &Resource{}
	}
	if updating == nil {
		updating = &Resource{}
	}
	m := &Resource{attrs: make([]attribute.KeyValue, 0, len(r.attrs)+len(updating.attrs))}
	old, upd := r.attrs, updating.attrs
	for len(old) > 0 && len(upd) > 0 {
		switch strings.Compare(string(old[0].Key), string(upd[0].Key)) {
		case -1:
			m.attrs, old = append(m.attrs, old[0]), old[1:]
		case 0:
			old = old[1:]
		default:
			m.attrs, upd = append(m.attrs, upd[0]), upd[1:]
		}
	}
	m.attrs = append(append(m.attrs, old...), upd...)
	m.finish()

	urls := slices.Concat(r.conflict, updating.conflict, []string{r.schemaURL, updating.schemaURL})
	urls = slices.DeleteFunc(urls, func(url string) bool { return url == "" })
	slices.Sort(urls)
	switch urls = slices.Compact(urls); len(urls) {
	case 0:
	case 1:
		m.schemaURL = urls[0]
	default: // also when it happened in an earlier merge: a third URL does not settle it
		m.conflict = urls
	}
	return m
}

// Attributes returns the attributes, sorted by key. The caller must not write to them.
func (r *Resource) Attributes() []attribute.KeyValue {
	if r == nil {
		return nil
	}
	return r.attrs
}

// ServiceName returns the value of service.name, or "" when there is none.
func (r *Resource) ServiceName() string {
	if r == nil {
		return ""
	}
	return r.serviceName
}

// SchemaURL returns the URL of the semantic conventions that the attributes keep to, or "" when it
// is not known or there are several.
func (r *Resource) SchemaURL() string {
	if r == nil {
		return ""
	}
	return r.schemaURL
}

// SchemaConflict returns the schema URLs that met in [Resource.Merge] and differ, sorted, or nil. The
// caller must not write to them.
func (r *Resource) SchemaConflict() []string {
	if r == nil {
		return nil
	}
	return r.conflict
}

// defaultResource holds what OpenTelemetry asks of every SDK (resource/sdk.md, "SDK-provided
// resource attributes"). These attributes are the same in all versions of the conventions, so it has
// no schema URL, which could only disagree with that of a detector.
func defaultResource() *Resource {
	exe := "unknown_service"
	if path, err := os.Executable(); err == nil {
		exe = defaultNameStart + filepath.Base(path)
	}
	return NewResource(
		serviceNameKey.String(exe),
		sdkNameKey.String("spandrel"),
		sdkLanguageKey.String("go"),
		sdkVersionKey.String(Version),
	)
}

// resource puts the provider's resource together: later ones take precedence.
func (c *config) resource() *Resource {
	r := defaultResource()
	if c.disabled { // nobody sees it
		return r
	}
	for _, detected := range c.detect() {
		r = r.Merge(detected)
	}
	r = r.Merge(c.env.resource()).Merge(NewResource(c.attrs...))
	if urls := r.SchemaConflict(); urls != nil {
		c.logger.Warn("spandrel: the resource has no schema URL: its parts have different ones", "schema_urls", urls)
	}
	return r
}

// Scope names the code that makes spans: OpenTelemetry's instrumentation scope. It is immutable.
type Scope struct {
	Name       string
	Version    string
	SchemaURL  string
	Attributes []attribute.KeyValue
}
