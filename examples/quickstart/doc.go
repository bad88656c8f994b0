// SPDX-License-Identifier: Apache-2.0

// Quickstart runs three HTTP services on loopback ports, sends a handful of requests through them,
// and prints every trace as a tree: what spandrel does, with nothing but Go.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -zipkin http://127.0.0.1:9411/api/v2/spans
//
// The services are a gateway that treats headers as Kong does, orders, and inventory. Each has its own
// provider and service name, as three processes would; what joins their spans is what is on the wire:
// B3 headers and x-request-id.
package main
