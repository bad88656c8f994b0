// SPDX-License-Identifier: Apache-2.0

// Package compliance holds what OpenTelemetry's specification asks of a tracing SDK as a list of rows,
// each with the tests that show it, and makes docs/otel-compliance.md of them. Its test fails where a
// row has no test and no reason, where a test TestSpec_... belongs to no row, and where the page is not
// what the rows say. To write the page anew:
//
//	go test ./internal/compliance -update
package compliance
