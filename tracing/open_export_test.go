// SPDX-License-Identifier: Apache-2.0

package tracing

// CheckAges does at once what the sweeper of a provider with WithOpenSpanAge does now and then.
func CheckAges(p *Provider) { p.checkAges(&overdueSpans{}) }
