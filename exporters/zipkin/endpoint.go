// SPDX-License-Identifier: Apache-2.0

package zipkin

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// noRank is what remoteEndpointRank returns for attributes that say nothing about the other side.
const noRank = math.MaxInt

// remoteEndpointRank returns the place of an attribute in OpenTelemetry's list of those that name the
// other side; the lowest rank present wins. Where the attribute holds an address, portKey is that of
// the port beside it, and peer.address, which may hold a port itself, has none.
func remoteEndpointRank(key attribute.Key) (rank int, address bool, portKey attribute.Key) {
	switch key {
	case "peer.service":
		return 1, false, ""
	case "server.address":
		return 2, false, ""
	case "net.peer.name":
		return 3, false, ""
	case "network.peer.address":
		return 4, true, "network.peer.port"
	case "server.socket.domain":
		return 5, false, ""
	case "server.socket.address":
		return 6, true, "server.socket.port"
	case "net.sock.peer.name":
		return 7, false, ""
	case "net.sock.peer.addr":
		return 8, true, "net.sock.peer.port"
	case "peer.hostname":
		return 9, false, ""
	case "peer.address":
		return 10, true, ""
	case "db.name":
		return 11, false, ""
	default:
		return noRank, false, ""
	}
}

// appendRemoteEndpoint appends the member remoteEndpoint if attrs name the other side.
func appendRemoteEndpoint(dst []byte, attrs []attribute.KeyValue) []byte {
	best, name, address, portKey := noRank, "", false, attribute.Key("")
	for _, kv := range attrs {
		rank, isAddress, port := remoteEndpointRank(kv.Key)
		if rank < best && kv.Value.Type() == attribute.STRING && kv.Value.AsString() != "" {
			best, name, address, portKey = rank, kv.Value.AsString(), isAddress, port
		}
	}
	if best == noRank {
		return dst
	}
	dst = append(dst, `,"remoteEndpoint":{`...)
	var ip netip.Addr
	var port int64
	if address {
		ip, port = splitAddress(name)
	}
	switch {
	case !ip.IsValid(): // a name, or the path of a socket
		dst = append(dst, `"serviceName":`...)
		dst = appendLower(dst, name)
	case ip.Is4():
		dst = append(dst, `"ipv4":"`...)
		dst = ip.AppendTo(dst)
		dst = append(dst, '"')
	default:
		dst = append(dst, `"ipv6":"`...)
		dst = ip.AppendTo(dst)
		dst = append(dst, '"')
	}
	if portKey != "" {
		port = findPort(attrs, portKey)
	}
	if 0 < port && port <= math.MaxUint16 {
		dst = append(dst, `,"port":`...)
		dst = strconv.AppendInt(dst, port, 10)
	}
	return append(dst, '}')
}

// splitAddress parses an IP address, alone or with a port (0 if alone). An IPv4 address that came as
// IPv6 is IPv4, as Zipkin's server has it; a zone means nothing elsewhere and is left out. The address
// is not valid when s is something else.
func splitAddress(s string) (netip.Addr, int64) {
	if !('0' <= s[0] && s[0] <= '9') && strings.IndexByte(s, ':') < 0 {
		return netip.Addr{}, 0 // netip would allocate an error
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Unmap().WithZone(""), 0
	}
	if both, err := netip.ParseAddrPort(s); err == nil {
		return both.Addr().Unmap().WithZone(""), int64(both.Port())
	}
	return netip.Addr{}, 0
}

// findPort returns the value of the attribute, a number or the text of one; 0 when there is none.
func findPort(attrs []attribute.KeyValue, key attribute.Key) int64 {
	for _, kv := range attrs {
		if kv.Key != key {
			continue
		}
		switch kv.Value.Type() {
		case attribute.INT64:
			return kv.Value.AsInt64()
		case attribute.STRING:
			if port, err := strconv.ParseUint(kv.Value.AsString(), 10, 16); err == nil {
				return int64(port)
			}
		}
		return 0
	}
	return 0
}
