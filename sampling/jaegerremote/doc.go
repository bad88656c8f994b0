// SPDX-License-Identifier: Apache-2.0

// Package jaegerremote samples as a Jaeger backend says: operators set rates for each service and
// operation in one place, or Jaeger calculates them (adaptive sampling).
//
// The smallest use asks the Jaeger or OpenTelemetry collector on this host for the rates of a service:
//
//	remote, err := jaegerremote.New("checkout")
//	if err != nil {
//		return err
//	}
//	defer remote.Close()
//	sampler := sampling.ParentBased(remote)
//
// [Sampler] decides about every span it is asked about, whatever its parent: as the root of
// [sampling.ParentBased] it is asked about traces that begin here, which is what Jaeger expects.
//
// # Strategies
//
// An answer holds one of three (jaeger-idl, proto/api_v2/sampling.proto): a rate for the service, a
// limit of traces a second, or rates for its operations, which are span names, with a rate for all
// others and a least number of traces a second for each. Rates are those of [sampling.Ratio]. A span
// that is sampled has the attributes sampler.type (probabilistic, ratelimiting or lowerbound) and
// sampler.param, from which Jaeger calculates the next rates.
//
// # Failure
//
// Until the first answer an initial sampler decides; it samples one trace in a thousand unless
// [WithInitialSampler] says otherwise. When an answer does not come or makes no sense, the last good
// one stays in use, and one line is logged, and another when answers come again.
//
// # Concurrency, cost
//
// A Sampler is safe for concurrent use. It has one goroutine, from New to Close. Sample does not
// allocate, but for the first span of an operation that the strategy does not list. It takes a short
// lock where it counts traces a second.
package jaegerremote
