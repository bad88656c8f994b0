// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"io"
	"os"
)

const (
	defaultWidth = 100
	minWidth     = 80
	maxWidth     = 400

	defaultMaxSpans = 10_000
	highestMaxSpans = 1_000_000
)

// ColorMode says when an [Exporter] or a [Collector] colours what it writes.
type ColorMode uint8

// The three colour modes.
const (
	// ColorAuto colours when the writer is an *os.File that is a terminal, the environment variable
	// NO_COLOR is unset or empty (see no-color.org) and TERM is not "dumb".
	ColorAuto ColorMode = iota
	// ColorAlways colours whatever the writer and the environment are.
	ColorAlways
	// ColorNever does not colour.
	ColorNever
)

// Option sets one thing of an [Exporter] or a [Collector]. A nil one is an error.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	json     bool
	color    ColorMode
	width    int
	maxSpans int

	// environment says whether NO_COLOR and TERM allow colours; read when the config is made.
	environment bool
}

// WithJSON writes JSON lines instead of trees: one object a span and line, the fields of which the
// package documentation lists. Colours and width then have no meaning. The default is trees.
func WithJSON() Option {
	return optionFunc(func(c *config) { c.json = true })
}

// WithColor says when to colour trees. The default is [ColorAuto].
func WithColor(mode ColorMode) Option {
	return optionFunc(func(c *config) { c.color = mode })
}

// WithWidth sets how many columns the terminal has, from 80 to 400; other values are an error. The
// default is 100. The width of the terminal is not asked for: a pipe or a log file has none, and what
// is printed stays when the window changes.
func WithWidth(columns int) Option {
	return optionFunc(func(c *config) { c.width = columns })
}

// WithMaxSpans sets how many spans a [Collector] keeps, from 1 to 1,000,000; other values are an
// error. The default is 10,000. An [Exporter] keeps none, so it has no effect there.
func WithMaxSpans(n int) Option {
	return optionFunc(func(c *config) { c.maxSpans = n })
}

func newConfig(opts []Option) (config, error) {
	c := config{
		width:       defaultWidth,
		maxSpans:    defaultMaxSpans,
		environment: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
	for i, o := range opts {
		if o == nil {
			return config{}, fmt.Errorf("console: opts[%d] is nil", i)
		}
		o.apply(&c)
	}
	if c.color > ColorNever {
		return config{}, fmt.Errorf(
			"console: WithColor(%d): must be ColorAuto, ColorAlways or ColorNever", c.color)
	}
	if c.width < minWidth || c.width > maxWidth {
		return config{}, fmt.Errorf(
			"console: WithWidth(%d): must be from %d to %d columns", c.width, minWidth, maxWidth)
	}
	if c.maxSpans < 1 || c.maxSpans > highestMaxSpans {
		return config{}, fmt.Errorf(
			"console: WithMaxSpans(%d): must be from 1 to %d spans", c.maxSpans, highestMaxSpans)
	}
	return c, nil
}

// colored reports whether what goes to w is to be coloured.
func (c config) colored(w io.Writer) bool {
	switch c.color {
	case ColorAlways:
		return true
	case ColorNever:
		return false
	default:
		return c.environment && isTerminal(w)
	}
}

// isTerminal reports whether w is a file that is a character device. Asking the terminal driver
// itself would need a system call of its own on each system, and the only other device that programs
// write to, the null device, shows no colours to anybody.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
