// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"slices"
	"strings"

	otelprop "go.opentelemetry.io/otel/propagation"
)

// maxEnvEntry bounds a variable's name and value with the = between them, in bytes: what Windows takes.
// Linux takes four times as much.
const maxEnvEntry = 32_767

// EnvCarrier is a carrier for environment variables: it hands a trace to a child process, and takes one
// over from the process that started this one. Batch jobs and build steps have no headers to do it.
//
//	carrier := propagation.NewEnvCarrier(os.Environ())
//	p.Inject(ctx, carrier)
//	cmd.Env = carrier.Environ()
//
// and in the child, once, when it starts:
//
//	ctx = p.Extract(ctx, propagation.NewEnvCarrier(os.Environ()))
//
// The variables have the names of the headers in upper case with an underscore for each character that
// is no letter and no digit, as OpenTelemetry's specification asks: TRACEPARENT, X_B3_TRACEID. Values
// are carried as they are. It neither reads nor changes the environment of this process by itself, and
// starts no process. Other users of the machine may be able to see what a process has in its environment:
// it is no place for secrets, in baggage for instance.
//
// The zero value is an empty environment. It is not safe for concurrent use; each child has its own.
type EnvCarrier struct {
	environ []string // "NAME=value", the last one of a name counts, as in exec.Cmd
}

var _ otelprop.TextMapCarrier = (*EnvCarrier)(nil)

// NewEnvCarrier makes a carrier of a copy of environ, which holds "NAME=value" as os.Environ returns it.
// If a name is there twice the last one counts.
func NewEnvCarrier(environ []string) *EnvCarrier {
	return &EnvCarrier{environ: slices.Clone(environ)}
}

// Get returns the value of the variable that key stands for, or "". A variable whose name only becomes
// that one, such as traceparent, is not read.
func (c *EnvCarrier) Get(key string) string {
	name := envName(key)
	for _, entry := range slices.Backward(c.environ) {
		if isEnvEntry(entry, name) {
			return entry[len(name)+1:]
		}
	}
	return ""
}

// Set sets the variable that key stands for. No process can be started with a variable that has a zero
// byte in it or is very long: where value has, or where name and value together are longer than 32,766
// bytes, the variable is removed and not set.
func (c *EnvCarrier) Set(key, value string) {
	c.Delete(key)
	name := envName(key)
	if strings.IndexByte(value, 0) >= 0 || len(name)+1+len(value) > maxEnvEntry {
		return
	}
	c.environ = append(c.environ, name+"="+value)
}

// Delete removes the variable that key stands for. [Propagator.Inject] calls it for what this process
// was started with and the child must not see, a TRACESTATE beside another TRACEPARENT.
func (c *EnvCarrier) Delete(key string) {
	name := envName(key)
	c.environ = slices.DeleteFunc(c.environ, func(entry string) bool { return isEnvEntry(entry, name) })
}

// Keys returns the names of the variables that Get can return, in the order of the environment.
func (c *EnvCarrier) Keys() []string {
	var keys []string
	for _, entry := range c.environ {
		name, _, ok := strings.Cut(entry, "=")
		if ok && name != "" && envName(name) == name && !slices.Contains(keys, name) {
			keys = append(keys, name)
		}
	}
	return keys
}

// Environ returns all variables as "NAME=value", for exec.Cmd. The caller owns the slice.
func (c *EnvCarrier) Environ() []string { return slices.Clone(c.environ) }

// isEnvEntry reports whether entry sets the variable name.
func isEnvEntry(entry, name string) bool {
	return len(entry) > len(name) && entry[len(name)] == '=' && entry[:len(name)] == name
}

// envName returns the name of the variable that key stands for: the normalization in "Environment
// Variables as Context Propagation Carriers" of OpenTelemetry's specification.
func envName(key string) string {
	if key == "" {
		return "_"
	}
	name := make([]byte, 0, len(key)+1)
	if '0' <= key[0] && key[0] <= '9' {
		name = append(name, '_')
	}
	for _, r := range key {
		switch {
		case 'a' <= r && r <= 'z':
			name = append(name, byte(r-'a'+'A'))
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			name = append(name, byte(r))
		default:
			name = append(name, '_')
		}
	}
	return string(name)
}
