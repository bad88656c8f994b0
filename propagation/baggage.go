// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/baggage"
	otelprop "go.opentelemetry.io/otel/propagation"
)

// The limits of baggage, read or written, over all formats of one request together. W3C Baggage, section
// "Limits", has at least these carried, and Datadog's libraries and OpenTelemetry's carry no more. It
// limits no single member: a bound of 4,096 bytes was in drafts only.
const (
	maxBaggageMembers = 64
	maxBaggageBytes   = 8192
)

var (
	baggageHeader       = header{"baggage", "Baggage"}
	jaegerBaggageHeader = header{"jaeger-baggage", "Jaeger-Baggage"}
)

// baggageFormat is a format of baggage headers.
type baggageFormat uint8

const (
	baggageW3C baggageFormat = iota
	baggageJaeger
	baggageOT
	numBaggageFormats
)

// The names, and what stands before a key where each member has a header of its own.
var (
	baggageNames    = [numBaggageFormats]string{"w3c", "jaeger", "ot"}
	baggagePrefixes = [numBaggageFormats]string{"", "uberctx-", "ot-baggage-"}
)

// Baggage reads and writes baggage: what an application sends along with a request, as
// go.opentelemetry.io/otel/baggage has it in the Go context. It implements OpenTelemetry's
// TextMapPropagator and stands beside a [Propagator] in a composite one. [NewBaggage] makes it; the zero
// value is not usable.
//
// Read are at most 64 members, and 8,192 bytes of headers. What is beyond is left out, as is what is
// malformed: [Baggage.Stats] counts it. Neither is an error.
//
// All methods are safe for concurrent use as long as each call has a carrier of its own.
type Baggage struct {
	formats []baggageFormat

	malformed, overLimit, unwritten atomic.Uint64
}

var _ otelprop.TextMapPropagator = (*Baggage)(nil)

// NewBaggage makes a propagator of baggage in all formats given; none means w3c.
//
//   - "w3c" is the header baggage of the W3C specification, with properties. Several such headers are one
//     list, in which the last member of a key counts.
//   - "jaeger" has a header uberctx-<key> for each member, the value URL-encoded. It also reads
//     jaeger-baggage: k1=v1,k2=v2, which people write by hand.
//   - "ot" has a header ot-baggage-<key> for each member, the value URL-encoded. A value that cannot be
//     decoded is taken as it is, in jaeger too: some writers do not encode.
//
// All are read and all are written. Where the same key arrives in several, the format that is listed first
// wins. In jaeger and ot keys are names of headers, which have no case: they are read in lower case, and
// of keys that differ in case only one is written. Properties do not fit into them, and they need a carrier
// whose Keys method returns the names as they were written, which [EnvCarrier] does not.
//
// A format that does not exist is an error that lists those that do.
func NewBaggage(formats ...string) (*Baggage, error) {
	b := &Baggage{}
	for _, name := range formats {
		i := slices.Index(baggageNames[:], name)
		if i < 0 {
			return nil, errors.New("propagation: NewBaggage: unknown format " + strconv.Quote(name) +
				": it is one of " + strings.Join(baggageNames[:], ", "))
		}
		if f := baggageFormat(i); !slices.Contains(b.formats, f) {
			b.formats = append(b.formats, f)
		}
	}
	if len(b.formats) == 0 {
		b.formats = []baggageFormat{baggageW3C}
	}
	return b, nil
}

// Fields returns "baggage" if w3c is among the formats. The headers of the others cannot be listed: the
// keys of members are part of their names. The caller owns the slice.
func (b *Baggage) Fields() []string {
	if slices.Contains(b.formats, baggageW3C) {
		return []string{baggageHeader.lower}
	}
	return nil
}

// BaggageStats is what a [Baggage] has counted since it was made.
type BaggageStats struct {
	// Malformed counts members that were skipped because they do not follow their format.
	Malformed uint64
	// OverLimit counts requests of which members were not read because there were too many or too long ones.
	OverLimit uint64
	// Unwritten counts members that Inject left out: their key cannot stand in a header, or they were
	// beyond the limits.
	Unwritten uint64
}

// Stats returns the counters. Each is monotone; together they are no snapshot of one moment.
func (b *Baggage) Stats() BaggageStats {
	return BaggageStats{Malformed: b.malformed.Load(), OverLimit: b.overLimit.Load(), Unwritten: b.unwritten.Load()}
}

// Extract returns ctx with the baggage that arrived, in place of what ctx had. If none did ctx is
// returned as it was.
func (b *Baggage) Extract(ctx context.Context, carrier otelprop.TextMapCarrier) context.Context {
	if carrier == nil {
		return ctx
	}
	// One more than there is: the first member has no comma before it.
	r := baggageReader{source: newSource(carrier), left: maxBaggageBytes + 1}
	for _, f := range b.formats {
		r.fixed = len(r.members)
		switch f {
		case baggageW3C:
			r.readW3C()
		case baggageJaeger:
			r.readJaegerBaggage()
			r.readPrefixed(f)
		case baggageOT:
			r.readPrefixed(f)
		}
	}
	if r.malformed > 0 {
		b.malformed.Add(r.malformed)
	}
	if r.over {
		b.overLimit.Add(1)
	}
	bag, err := baggage.New(r.members...)
	if err != nil || bag.Len() == 0 { // an error would be that of limits, which have been kept
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

// Inject writes the baggage in ctx into the carrier, in all formats, its members in the order of their
// keys. At most 64 of them and 8,192 bytes are written; what is beyond is left out and counted. Headers
// of the same format that were there before are removed from a carrier that can, a HeaderCarrier or one
// with a method Delete(string). Without baggage in ctx it does nothing.
func (b *Baggage) Inject(ctx context.Context, carrier otelprop.TextMapCarrier) {
	bag := baggage.FromContext(ctx)
	if bag.Len() == 0 {
		return
	}
	dst, ok := newTarget(carrier)
	if !ok {
		return
	}
	members, written := b.writable(bag)
	if len(members) == 0 {
		return
	}
	for _, f := range b.formats {
		if f == baggageW3C {
			carrier.Set(baggageHeader.lower, strings.Join(written, ","))
			continue
		}
		prefix := baggagePrefixes[f]
		removePrefixed(&dst, prefix)
		if f == baggageJaeger {
			dst.remove(&jaegerBaggageHeader)
		}
		for i := range members {
			key := strings.ToLower(members[i].Key())
			if dst.header != nil && !dst.canonical && !isMetadataName(key) {
				b.unwritten.Add(1)
				continue
			}
			carrier.Set(prefix+key, escapePrefixed(members[i].Value()))
		}
	}
}

// writable returns the members that can be written, sorted by key: what is beyond the limits must not
// depend on the order of a map. written is each of them in W3C's format.
func (b *Baggage) writable(bag baggage.Baggage) (members []baggage.Member, written []string) {
	all := bag.Members()
	slices.SortFunc(all, func(a, b baggage.Member) int { return strings.Compare(a.Key(), b.Key()) })
	left := maxBaggageBytes + 1
	for _, m := range all {
		s := m.String()
		if !isToken(m.Key()) || len(s)+1 > left || len(members) == maxBaggageMembers {
			b.unwritten.Add(1)
			continue
		}
		left -= len(s) + 1
		members, written = append(members, m), append(written, s)
	}
	return members, written
}

// baggageReader reads the baggage of one request.
type baggageReader struct {
	source

	members []baggage.Member
	fixed   int // so many of the members are of formats that win over the present one
	left    int // how many bytes may still be read

	malformed uint64
	over      bool
}

// full reports whether another member would be one too many.
func (r *baggageReader) full() bool {
	if len(r.members) < maxBaggageMembers {
		return false
	}
	r.over = true
	return true
}

// add adds a member that took read bytes of the headers. It counts the bytes that it would take to write,
// too: what replaces bad UTF-8 is longer.
func (r *baggageReader) add(m baggage.Member, read int) {
	size := max(read, len(m.String())+1)
	if size > r.left {
		r.over = true
		return
	}
	r.left -= size
	i := slices.IndexFunc(r.members, func(have baggage.Member) bool { return have.Key() == m.Key() })
	switch {
	case i < 0:
		r.members = append(r.members, m)
	case i >= r.fixed:
		r.members[i] = m
	}
}
