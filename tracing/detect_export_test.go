// SPDX-License-Identifier: Apache-2.0

package tracing

import "io/fs"

// The ready detectors, reading from files.

func HostDetectorOn(files fs.FS) ResourceDetector      { return hostDetector{files} }
func OSDetectorOn(files fs.FS) ResourceDetector        { return osDetector{files} }
func ContainerDetectorOn(files fs.FS) ResourceDetector { return containerDetector{files} }

// HostArch and OSType are the conventions' names of what Go calls otherwise.
var (
	HostArch = hostArch
	OSType   = osType
)
