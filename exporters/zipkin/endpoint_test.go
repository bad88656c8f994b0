// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

type endpoint struct {
	ServiceName, IPv4, IPv6 string
	Port                    int
}

// remoteEndpoint encodes a span of the kind and returns its remote endpoint, nil when it has none.
func remoteEndpoint(t *testing.T, kind trace.SpanKind, attrs ...attribute.KeyValue) *endpoint {
	t.Helper()
	d := newSpan()
	d.Kind = kind
	d.Attributes = attrs
	text := request(newExporter(t), d)
	requireSameAsSimple(t, d, text[1:len(text)-1])
	got := decode[[]struct{ RemoteEndpoint *endpoint }](t, text)
	require.Len(t, got, 1)
	return got[0].RemoteEndpoint
}

// Each attribute wins over all of lower rank, in whatever order they stand.
func TestRemoteEndpointRank(t *testing.T) {
	t.Parallel()
	ranked := []struct {
		attr attribute.KeyValue
		want endpoint
	}{
		{attribute.String("peer.service", "Cart"), endpoint{ServiceName: "cart"}},
		{attribute.String("server.address", "cart.example"), endpoint{ServiceName: "cart.example"}},
		{attribute.String("net.peer.name", "3.example"), endpoint{ServiceName: "3.example"}},
		{attribute.String("network.peer.address", "10.0.0.4"), endpoint{IPv4: "10.0.0.4", Port: 4}},
		{attribute.String("server.socket.domain", "5.example"), endpoint{ServiceName: "5.example"}},
		{attribute.String("server.socket.address", "10.0.0.6"), endpoint{IPv4: "10.0.0.6", Port: 6}},
		{attribute.String("net.sock.peer.name", "7.example"), endpoint{ServiceName: "7.example"}},
		{attribute.String("net.sock.peer.addr", "10.0.0.8"), endpoint{IPv4: "10.0.0.8", Port: 8}},
		{attribute.String("peer.hostname", "9.example"), endpoint{ServiceName: "9.example"}},
		{attribute.String("peer.address", "mysql://prod-db:3306"), endpoint{ServiceName: "mysql://prod-db:3306"}},
		{attribute.String("db.name", "Carts"), endpoint{ServiceName: "carts"}},
	}
	attrs := []attribute.KeyValue{
		attribute.Int("network.peer.port", 4), attribute.Int("server.socket.port", 6), attribute.Int("net.sock.peer.port", 8),
	}
	assert.Nil(t, remoteEndpoint(t, trace.SpanKindClient, attrs...), "a port alone names nobody")
	back := []attribute.KeyValue{attrs[0], attrs[1], attrs[2]}
	for i := len(ranked) - 1; i >= 0; i-- {
		attrs = append(attrs, ranked[i].attr)
		back = append([]attribute.KeyValue{ranked[i].attr}, back...)
		for _, kind := range []trace.SpanKind{trace.SpanKindClient, trace.SpanKindProducer} {
			assert.Equal(t, &ranked[i].want, remoteEndpoint(t, kind, attrs...), "rank %d", i+1)
			assert.Equal(t, &ranked[i].want, remoteEndpoint(t, kind, back...), "rank %d, first", i+1)
		}
	}
}

func TestRemoteEndpointOnlyOfClientAndProducer(t *testing.T) {
	t.Parallel()
	for _, kind := range []trace.SpanKind{
		trace.SpanKindUnspecified, trace.SpanKindInternal, trace.SpanKindServer, trace.SpanKindConsumer,
	} {
		assert.Nil(t, remoteEndpoint(t, kind, attribute.String("peer.service", "cart")), kind.String())
	}
}

func TestRemoteEndpointAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, address string
		want          endpoint
	}{
		{"IPv4", "192.168.0.1", endpoint{IPv4: "192.168.0.1"}},
		{"IPv6", "2001:DB8:0:0::1", endpoint{IPv6: "2001:db8::1"}},
		{"IPv6 with a zone", "fe80::1%eth0", endpoint{IPv6: "fe80::1"}},
		{"IPv4 as IPv6", "::ffff:192.168.0.1", endpoint{IPv4: "192.168.0.1"}},
		{"path of a socket", "/var/run/Cart.sock", endpoint{ServiceName: "/var/run/cart.sock"}},
		{"name", "Cart.example", endpoint{ServiceName: "cart.example"}},
		{"name that begins with a digit", "1cart", endpoint{ServiceName: "1cart"}},
		{"name beyond ASCII", "CÄRT\xff", endpoint{ServiceName: "cärt\ufffd"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, key := range []string{"network.peer.address", "server.socket.address", "net.sock.peer.addr", "peer.address"} {
				assert.Equal(t, &tt.want, remoteEndpoint(t, trace.SpanKindClient, attribute.String(key, tt.address)), key)
			}
		})
	}
}

func TestRemoteEndpointPeerAddressWithPort(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]endpoint{
		"10.0.0.1:8080":    {IPv4: "10.0.0.1", Port: 8080},
		"[2001:db8::1]:80": {IPv6: "2001:db8::1", Port: 80},
		"cart:8080":        {ServiceName: "cart:8080"},
	} {
		assert.Equal(t, &want, remoteEndpoint(t, trace.SpanKindClient, attribute.String("peer.address", address)), address)
	}
}

func TestRemoteEndpointPort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		port attribute.Value
		want int
	}{
		{"number", attribute.IntValue(8080), 8080},
		{"largest", attribute.IntValue(65535), 65535},
		{"text", attribute.StringValue("8080"), 8080},
		{"zero is absent", attribute.IntValue(0), 0},
		{"negative", attribute.IntValue(-1), 0},
		{"too large", attribute.IntValue(65536), 0},
		{"too large as text", attribute.StringValue("65536"), 0},
		{"no number", attribute.StringValue("http"), 0},
		{"another type", attribute.Float64Value(80.5), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := remoteEndpoint(t, trace.SpanKindProducer,
				attribute.String("network.peer.address", "10.0.0.1"), attribute.KeyValue{Key: "network.peer.port", Value: tt.port})
			assert.Equal(t, &endpoint{IPv4: "10.0.0.1", Port: tt.want}, got)
		})
	}
}

func TestRemoteEndpointPassesOverWhatIsNoName(t *testing.T) {
	t.Parallel()
	for i, v := range []attribute.Value{attribute.StringValue(""), attribute.IntValue(1), attribute.StringSliceValue([]string{"a"}), {}} {
		got := remoteEndpoint(t, trace.SpanKindClient,
			attribute.KeyValue{Key: "peer.service", Value: v}, attribute.String("db.name", strconv.Itoa(i)))
		assert.Equal(t, &endpoint{ServiceName: strconv.Itoa(i)}, got)
	}
}
