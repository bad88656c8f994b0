// SPDX-License-Identifier: Apache-2.0

// Package remote holds what a propagator learned from the headers of one request, and the key under
// which it stands in a Go context. Package propagation writes it; package tracing hands it to the
// sampler. It exists so that tracing need not import propagation (which would link net/http).
package remote
