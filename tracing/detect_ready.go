// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// SchemaURL names the version of OpenTelemetry's semantic conventions that the ready detectors keep
// to.
const SchemaURL = "https://opentelemetry.io/schemas/1.43.0"

// ProcessDetector finds the process: process.pid, process.executable.name, and
// process.runtime.name, .version and .description. It leaves out what may hold secrets or name
// people: the command line, paths and the owner.
func ProcessDetector() ResourceDetector { return processDetector{} }

// HostDetector finds the host: host.name, host.arch and, on Linux, host.id, which is the machine id.
// An empty or malformed machine id, as in many container images, is left out.
func HostDetector() ResourceDetector { return hostDetector{root()} }

// OSDetector finds the operating system: os.type and, where there is an os-release file, os.name,
// os.version and os.description.
func OSDetector() ResourceDetector { return osDetector{root()} }

// ContainerDetector finds container.id, the id of the container that the process runs in, from the
// control groups and the mounts that Linux shows to a process. It finds nothing outside of
// containers, and nothing in Kubernetes with private control groups, where a container cannot see
// its id.
func ContainerDetector() ResourceDetector { return containerDetector{root()} }

// ServiceInstanceDetector makes a service.instance.id: a random UUID, made by this call. Give one
// detector to all providers of a process that share a service name. It is no default because each
// start of the process makes a new value, which some backends index.
func ServiceInstanceDetector() ResourceDetector {
	var id [16]byte
	_, _ = rand.Read(id[:])   // it never fails
	id[6] = id[6]&0x0F | 0x40 // version 4
	id[8] = id[8]&0x3F | 0x80 // RFC 4122
	return instanceDetector{id: id}
}

// root is the file system that detectors read.
func root() fs.FS { return os.DirFS("/") }

type processDetector struct{}

func (processDetector) Detect(context.Context) (*Resource, error) {
	name := "go" // with the compiler that comes with Go
	if runtime.Compiler != "gc" {
		name = runtime.Compiler
	}
	attrs := []attribute.KeyValue{
		attribute.Int("process.pid", os.Getpid()),
		attribute.String("process.runtime.name", name),
		attribute.String("process.runtime.version", runtime.Version()),
		attribute.String("process.runtime.description",
			fmt.Sprintf("go version %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)),
	}
	path, err := os.Executable()
	if err == nil {
		attrs = append(attrs, attribute.String("process.executable.name", filepath.Base(path)))
	}
	return NewSchemaResource(SchemaURL, attrs...), err
}

type hostDetector struct{ files fs.FS }

func (d hostDetector) Detect(context.Context) (*Resource, error) {
	attrs := []attribute.KeyValue{attribute.String("host.arch", hostArch(runtime.GOARCH))}
	name, err := os.Hostname()
	if err == nil {
		attrs = append(attrs, attribute.String("host.name", name))
	}
	for _, file := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		text, readErr := readIfThere(d.files, file)
		err = errors.Join(err, readErr)
		if id := string(bytes.TrimSpace(text)); isHex(id, 32) {
			attrs = append(attrs, attribute.String("host.id", id))
			break
		}
	}
	return NewSchemaResource(SchemaURL, attrs...), err
}

// hostArch is the conventions' name of an architecture. Others than theirs may be used as they are.
func hostArch(goarch string) string {
	switch goarch {
	case "386":
		return "x86"
	case "arm":
		return "arm32"
	case "ppc64le":
		return "ppc64"
	default:
		return goarch
	}
}

type osDetector struct{ files fs.FS }

func (d osDetector) Detect(context.Context) (*Resource, error) {
	attrs := []attribute.KeyValue{attribute.String("os.type", osType(runtime.GOOS))}
	release, err := readIfThere(d.files, "etc/os-release")
	if release == nil {
		var libErr error
		release, libErr = readIfThere(d.files, "usr/lib/os-release")
		err = errors.Join(err, libErr)
	}
	for line := range strings.Lines(string(release)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = unquote(value)
		if value == "" {
			continue
		}
		switch key {
		case "NAME":
			attrs = append(attrs, attribute.String("os.name", value))
		case "VERSION_ID":
			attrs = append(attrs, attribute.String("os.version", value))
		case "PRETTY_NAME":
			attrs = append(attrs, attribute.String("os.description", value))
		}
	}
	return NewSchemaResource(SchemaURL, attrs...), err
}

// osType is the conventions' name of an operating system.
func osType(goos string) string {
	switch goos {
	case "dragonfly":
		return "dragonflybsd"
	case "illumos":
		return "solaris"
	default:
		return goos
	}
}

// unquote reads a value of an os-release file, which is a shell's word: plain, or quoted, with
// backslashes before what is special. Source: os-release(5).
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		s = s[1 : len(s)-1]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

type instanceDetector struct{ id [16]byte }

func (d instanceDetector) Detect(context.Context) (*Resource, error) {
	u := d.id
	text := fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	return NewSchemaResource(SchemaURL, attribute.String("service.instance.id", text)), nil
}

type containerDetector struct{ files fs.FS }

func (d containerDetector) Detect(context.Context) (*Resource, error) {
	groups, err := readIfThere(d.files, "proc/self/cgroup")
	id := cgroupContainer(string(groups))
	if id == "" {
		mounts, mountsErr := readIfThere(d.files, "proc/self/mountinfo")
		err = errors.Join(err, mountsErr)
		id = mountedContainer(string(mounts))
	}
	if id == "" {
		return nil, err
	}
	return NewSchemaResource(SchemaURL, attribute.String("container.id", id)), err
}

// cgroupContainer finds a container's id in /proc/self/cgroup: the last part of a path that is one,
// as in "/docker/<id>", "/system.slice/cri-containerd-<id>.scope" or "/kubepods.slice/x:cri:<id>".
func cgroupContainer(text string) string {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy, controllers, path
		if len(parts) < 3 {
			continue
		}
		path := strings.Split(parts[2], "/")
		for i := len(path) - 1; i >= 0; i-- {
			name := strings.TrimSuffix(path[i], ".scope")
			if strings.HasPrefix(name, "libpod-conmon-") { // a monitor that runs outside of the container
				continue
			}
			if task, n, ok := strings.Cut(name, "-"); ok && isHex(task, 32) && isDecimal(n) { // AWS Fargate
				return name
			}
			if id := name[strings.LastIndexAny(name, "-:")+1:]; isHex(id, 64) {
				return id
			}
		}
	}
	return ""
}

// mountedContainer finds a container's id in /proc/self/mountinfo, where control groups of version 2
// do not show it: an engine mounts files of its own into a container, from a folder that is named for
// it. Docker mounts /etc/hostname, Podman and CRI-O /run/.containerenv; other files may come from the
// folder of the pod that the container is in.
func mountedContainer(text string) string {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line) // id, parent, device, root, mount point, ...
		if len(fields) < 5 {
			continue
		}
		path := strings.Split(fields[3], "/")
		for i := 0; i+2 < len(path); i++ {
			if !isHex(path[i+1], 64) {
				continue
			}
			if path[i] == "containers" && fields[4] == "/etc/hostname" ||
				path[i] == "overlay-containers" && fields[4] == "/run/.containerenv" {
				return path[i+1]
			}
		}
	}
	return ""
}

// readIfThere reads a file. That it does not exist is not an error.
func readIfThere(files fs.FS, name string) ([]byte, error) {
	text, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// isHex says whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

func isDecimal(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}
