// SPDX-License-Identifier: Apache-2.0

// Package transport posts encoded batches over HTTP. The exporters share it:
//
//	c, err := transport.New(transport.Config{URL: u, Header: h, Timeout: 10 * time.Second})
//	resp, failure := c.Post(ctx, transport.Request{Body: body})
//
// It holds what is the same for every backend: a body that is only borrowed, so that net/http cannot
// read it after Post returned; a bound on what is read of a response; which status may be tried again
// and when; and errors that show neither credentials nor query of a URL.
//
// A [Client] is safe for concurrent use. It follows no redirect: a POST that is redirected becomes a
// GET without a body for most status codes, which loses a batch and looks like success. It starts no
// goroutine of its own; [Client.Close] ends those that idle connections hold.
package transport
