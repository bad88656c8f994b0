// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"encoding/binary"
	"fmt"
)

// A payload of the Datadog trace protocol 1.0 is msgpack: maps with numbers for keys, nested as the
// layouts below say. A string is written once; where it stands again, there is its index.

// form is how a field of a map is written.
type form int

const (
	scalar     form = iota + 1 // a number, a truth value or bytes
	text                       // a string or the index of one
	attributes                 // an array: key, type, value, key, type, value ...
	list                       // an array of maps of the layout sub
)

type field struct {
	form form
	sub  *layout
}

// layout holds the fields of a map by their numbers.
type layout [17]field

var (
	eventLayout = layout{1: {form: scalar}, 2: {form: text}, 3: {form: attributes}}
	linkLayout  = layout{
		1: {form: scalar}, 2: {form: scalar}, 3: {form: attributes}, 4: {form: text}, 5: {form: scalar},
	}
	spanLayout = layout{
		1: {form: text}, 2: {form: text}, 3: {form: text}, // service, name, resource
		4: {form: scalar}, 5: {form: scalar}, // span id, parent id
		6: {form: scalar}, 7: {form: scalar}, 8: {form: scalar}, // start, duration, error
		9: {form: attributes}, 10: {form: text}, // attributes, type
		11: {form: list, sub: &linkLayout}, 12: {form: list, sub: &eventLayout},
		13: {form: text}, 14: {form: text}, 15: {form: text}, // environment, version, component
		16: {form: scalar}, // kind
	}
	chunkLayout = layout{
		1: {form: scalar}, 2: {form: text}, 3: {form: attributes}, 4: {form: list, sub: &spanLayout},
		6: {form: scalar}, 7: {form: scalar}, // trace id, sampling mechanism
	}
	payloadLayout = layout{
		2: {form: text}, 3: {form: text}, 4: {form: text}, 5: {form: text}, 6: {form: text},
		7: {form: text}, 8: {form: text}, 9: {form: text}, // container, language ... version
		10: {form: attributes}, 11: {form: list, sub: &chunkLayout},
	}
)

// The first and the last type of an attribute that occur here. A string is a text, the types from truth
// value to bytes are scalars.
const (
	attributeText  = 1
	attributeBytes = 5
)

// payloadReader decodes payloads and reads all of them into a checksum: a string that is written as an
// index is looked up and read in full. It allocates nothing for each span. After an error it stands
// still.
type payloadReader struct {
	c      *Checksum
	b      []byte // what is left
	failed bool
	texts  [][]byte // the strings so far; they alias the payload
	// The number of maps of the layouts chunkLayout and spanLayout.
	chunks, spans int64
}

// read reads a whole payload and returns how many traces and spans it holds.
func (r *payloadReader) read(c *Checksum, b []byte) (traces, spans int64, err error) {
	r.c, r.b, r.failed, r.chunks, r.spans = c, b, false, 0, 0
	r.texts = append(r.texts[:0], nil) // index 0 is the empty string
	r.fields(&payloadLayout)
	if r.failed || len(r.b) != 0 {
		return 0, 0, fmt.Errorf("%w: %d of %d bytes left", errAgent, len(r.b), len(b))
	}
	return r.chunks, r.spans, nil
}

func (r *payloadReader) fail() {
	r.failed, r.b = true, nil
}

// take returns the next n bytes; none and fails when there are fewer.
func (r *payloadReader) take(n int) []byte {
	if n > len(r.b) {
		r.fail()
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// uint returns the next n bytes as a big-endian number.
func (r *payloadReader) uint(n int) uint64 {
	v := r.take(n)
	if r.failed {
		return 0
	}
	switch n {
	case 1:
		return uint64(v[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(v))
	case 4:
		return uint64(binary.BigEndian.Uint32(v))
	default:
		return binary.BigEndian.Uint64(v)
	}
}

// length reads the head of an array or a map: fix is the head byte of an empty one, long that of one
// whose length stands in the next two bytes; four bytes are the head byte after it.
func (r *payloadReader) length(fix, long uint64) int {
	switch t := r.uint(1); {
	case t&0xf0 == fix:
		return int(t & 0x0f)
	case t == long:
		return int(r.uint(2))
	case t == long+1:
		return int(r.uint(4))
	default:
		r.fail()
		return 0
	}
}

// fields reads a map of the given layout.
func (r *payloadReader) fields(l *layout) {
	for n := r.length(0x80, 0xde); n > 0 && !r.failed; n-- {
		id := r.uint(1)
		if id >= uint64(len(l)) {
			r.fail()
			return
		}
		r.c.Uint64(id)
		switch l[id].form {
		case scalar:
			r.scalar()
		case text:
			r.text()
		case attributes:
			r.attributes()
		case list:
			r.list(l[id].sub)
		default:
			r.fail()
		}
	}
}

func (r *payloadReader) list(l *layout) {
	n := r.length(0x90, 0xdc)
	switch l {
	case &chunkLayout:
		r.chunks += int64(n)
	case &spanLayout:
		r.spans += int64(n)
	}
	for ; n > 0 && !r.failed; n-- {
		r.fields(l)
	}
}

func (r *payloadReader) attributes() {
	n := r.length(0x90, 0xdc)
	if n%3 != 0 {
		r.fail()
	}
	for ; n > 0 && !r.failed; n -= 3 {
		r.text()
		t := r.uint(1)
		r.c.Uint64(t)
		switch {
		case t == attributeText:
			r.text()
		case t > attributeText && t <= attributeBytes:
			r.scalar()
		default:
			r.fail()
		}
	}
}

func (r *payloadReader) text() {
	t := r.uint(1)
	var v []byte
	switch {
	case t&0xe0 == 0xa0:
		v = r.take(int(t & 0x1f))
	case t >= 0xd9 && t <= 0xdb:
		v = r.take(int(r.uint(1 << (t - 0xd9))))
	default:
		if t >= 0xcc && t <= 0xce {
			t = r.uint(1 << (t - 0xcc))
		} else if t >= 0x80 {
			r.fail()
		}
		if r.failed || t >= uint64(len(r.texts)) {
			r.fail()
			return
		}
		r.c.Bytes(r.texts[t])
		return
	}
	r.texts = append(r.texts, v)
	r.c.Bytes(v)
}

func (r *payloadReader) scalar() {
	switch t := r.uint(1); {
	case t < 0x80 || t >= 0xe0: // small numbers
		r.c.Uint64(t)
	case t == 0xc2, t == 0xc3:
		r.c.Bool(t == 0xc3)
	case t >= 0xc4 && t <= 0xc6: // bytes
		r.c.Bytes(r.take(int(r.uint(1 << (t - 0xc4)))))
	case t == 0xcb: // floating point
		r.c.Uint64(r.uint(8))
	case t >= 0xcc && t <= 0xcf: // unsigned
		r.c.Uint64(r.uint(1 << (t - 0xcc)))
	case t >= 0xd0 && t <= 0xd3: // signed
		r.c.Uint64(r.uint(1 << (t - 0xd0)))
	default:
		r.fail()
	}
}
