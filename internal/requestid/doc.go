// SPDX-License-Identifier: Apache-2.0

// Package requestid reads what Envoy writes into an x-request-id: why it traces the request, and the
// number by which every Envoy on the way decides alike. Package propagation explains it to users, and
// package sampling follows it.
package requestid
