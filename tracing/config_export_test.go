// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"io/fs"
	"log/slog"
	"slices"
)

// WithEnvironment gives a provider an environment of its own.
func WithEnvironment(env map[string]string) Option {
	return optionFunc(func(c *config) {
		c.env.lookup = func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		}
	})
}

// EnvironmentRead returns the names of the variables that f's provider reads, each once, from env.
func EnvironmentRead(f func(opts ...Option) error, env map[string]string) (names []string) {
	err := f(optionFunc(func(c *config) {
		c.env.lookup = func(name string) (string, bool) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			value, ok := env[name]
			return value, ok
		}
	}))
	if err != nil {
		return nil
	}
	return names
}

// LevelHandler is the handler behind OTEL_LOG_LEVEL.
func LevelHandler(h slog.Handler, level slog.Level) slog.Handler { return &levelHandler{h, level} }

// The ready detectors, reading from files.

func HostDetectorOn(files fs.FS) ResourceDetector      { return hostDetector{files} }
func OSDetectorOn(files fs.FS) ResourceDetector        { return osDetector{files} }
func ContainerDetectorOn(files fs.FS) ResourceDetector { return containerDetector{files} }

// HostArch and OSType are the conventions' names of what Go calls otherwise.
var (
	HostArch = hostArch
	OSType   = osType
)
