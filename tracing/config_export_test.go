// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"io/fs"
	"log/slog"
)

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
