// SPDX-License-Identifier: Apache-2.0

package model_test

import "slices"

// simpler are the ways to make an operation simpler.
var simpler = []func(o *op){
	func(o *op) { o.attrs = nil },
	func(o *op) { o.attrs = o.attrs[:len(o.attrs)/2] },
	func(o *op) { o.attrs = o.attrs[len(o.attrs)/2:] },
	func(o *op) { o.links = nil },
	func(o *op) { o.links = o.links[:len(o.links)/2] },
	func(o *op) { o.links = o.links[len(o.links)/2:] },
	func(o *op) {
		if len(o.links) == 1 {
			o.links = []link{{to: o.links[0].to, attrs: o.links[0].attrs[:len(o.links[0].attrs)/2]}}
		}
	},
	func(o *op) {
		if len(o.links) == 1 {
			o.links = []link{{to: o.links[0].to, attrs: o.links[0].attrs[len(o.links[0].attrs)/2:]}}
		}
	},
	func(o *op) { o.at = 0 },
	func(o *op) { o.stack = false },
	func(o *op) { o.name = "" },
	func(o *op) { o.from, o.parent, o.remote = "", 0, 0 },
	func(o *op) { o.tracer, o.fresh = 0, false },
	func(o *op) { o.kind = 0 },
	func(o *op) { o.newRoot = false },
	func(o *op) { o.text = "" },
	func(o *op) { o.how, o.err = "", 0 },
	func(o *op) { o.branches = o.branches[:len(o.branches)/2] },
	func(o *op) { o.branches = o.branches[len(o.branches)/2:] },
}

// simplerConfig is the same for the provider's set-up.
var simplerConfig = []func(c *config){
	func(c *config) { c.sampler = sampler{} },
	func(c *config) { c.sampler.slots = nil },
	func(c *config) { c.processors = min(c.processors, 1) },
	func(c *config) { c.processors = 0 },
	func(c *config) { c.onStart = nil },
	func(c *config) { c.limits = limits{environment: c.limits.environment} },
	func(c *config) { c.limits.attributes = 0 },
	func(c *config) { c.limits.events = 0 },
	func(c *config) { c.limits.links = 0 },
	func(c *config) { c.limits.perEvent = 0 },
	func(c *config) { c.limits.perLink = 0 },
	func(c *config) { c.limits.length = 0 },
	func(c *config) { c.limits.depth = 0 },
	func(c *config) { c.random = false },
	func(c *config) { c.encoding = false },
	func(c *config) { c.resource = nil },
	func(c *config) { c.resource = c.resource[:len(c.resource)/2] },
	func(c *config) { c.resource = c.resource[len(c.resource)/2:] },
}

// shrink makes a program smaller as long as it fails.
func shrink(p program, fails func(program) bool) program {
	for size := -1; size != len(p.String()); {
		size = len(p.String())
		for _, f := range simplerConfig {
			q := p.clone()
			f(&q.config)
			if q.config.limits.environment { // it stays as it is
				q.config.limits = p.config.limits
			}
			if q.String() != p.String() && fails(q) {
				p = q
			}
		}
		p.ops = shrinkOps(p.ops, func(ops []op) bool { return fails(program{p.config, ops}) })
		p.config.onStart = shrinkOps(p.config.onStart, func(ops []op) bool {
			q := p
			q.config.onStart = ops
			return fails(q)
		})
	}
	return p
}

func shrinkOps(ops []op, fails func([]op) bool) []op {
	for chunk := max(len(ops)/2, 1); chunk > 0 && len(ops) > 0; chunk /= 2 {
		for at := 0; at+chunk <= len(ops); {
			if q := slices.Delete(cloneOps(ops), at, at+chunk); fails(q) {
				ops = q
			} else {
				at += chunk
			}
		}
	}
	for i := 0; i < len(ops); i++ {
		if q := slices.Concat(ops[:i], slices.Concat(ops[i].branches...), ops[i+1:]); len(ops[i].branches) > 0 && fails(q) {
			ops = q
		}
		for _, f := range simpler {
			if i == len(ops) {
				break
			}
			q := cloneOps(ops)
			before := program{ops: q[i : i+1]}.String()
			if f(&q[i]); (program{ops: q[i : i+1]}).String() != before && fails(q) {
				ops = q
			}
		}
		for j := 0; i < len(ops) && j < len(ops[i].branches); j++ {
			ops[i].branches[j] = shrinkOps(ops[i].branches[j], func(branch []op) bool {
				q := cloneOps(ops)
				q[i].branches[j] = branch
				return fails(q)
			})
		}
	}
	return ops
}
