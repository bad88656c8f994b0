// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/spandrel-go/spandrel/tracing"
)

// finds is a detector that finds one attribute, after some time of the bubble it is called in.
func finds(key string, after time.Duration) tracing.ResourceDetector {
	return tracing.ResourceDetectorFunc(func(context.Context) (*tracing.Resource, error) {
		time.Sleep(after)
		return tracing.NewResource(attribute.Bool(key, true)), nil
	})
}

// Each case has a bubble of its own, in which the detectors take their time.
func TestDetectorsNeverFailTheProvider(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		detect func(ctx context.Context) (*tracing.Resource, error)
		keys   []attribute.Key // besides "good"
		log    string
		took   time.Duration
	}{
		"an error": {
			func(context.Context) (*tracing.Resource, error) { return nil, errors.New("no answer") },
			nil, `position=1 error="no answer"`, time.Second,
		},
		"an error with a part": {
			func(context.Context) (*tracing.Resource, error) {
				return tracing.NewResource(attribute.Bool("part", true)), errors.New("no answer")
			},
			[]attribute.Key{"part"},
			`error="no answer"`, time.Second,
		},
		"nothing":       {func(context.Context) (*tracing.Resource, error) { return nil, nil }, nil, "", time.Second},
		"a panic":       {func(context.Context) (*tracing.Resource, error) { panic("a bug") }, nil, `error="panic: a bug"`, time.Second},
		"Goexit":        {func(context.Context) (*tracing.Resource, error) { runtime.Goexit(); return nil, nil }, nil, "it ended its goroutine", time.Second},
		"slow":          {finds("slow", 4*time.Second).Detect, []attribute.Key{"slow"}, "", 4 * time.Second},
		"much too slow": {finds("slow", time.Hour).Detect, nil, "it did not return in time", tracing.DetectTimeout * 11 / 10},
		"heeds its context": {
			func(ctx context.Context) (*tracing.Resource, error) {
				<-ctx.Done()
				time.Sleep(time.Millisecond)
				return tracing.NewResource(attribute.Bool("part", true)), ctx.Err()
			},
			[]attribute.Key{"part"},
			`error="context deadline exceeded"`, tracing.DetectTimeout + time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log syncBuffer
				c := &collector{}
				start := time.Now()
				p, err := tracing.NewProvider(
					tracing.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
					tracing.WithResourceDetectors(finds("good", time.Second), tracing.ResourceDetectorFunc(tt.detect)),
					tracing.WithExporter(c))
				require.NoError(t, err)
				assert.Equal(t, tt.took, time.Since(start), "side by side")
				_, s := p.NewTracer("t").StartSpan(context.Background(), "one")
				s.End()
				require.NoError(t, p.Shutdown(context.Background()))
				attrs := attrsOf(c.span(t, "one").Resource)
				assert.Contains(t, attrs, attribute.Key("good"))
				for _, key := range tt.keys {
					assert.Contains(t, attrs, key)
				}
				assert.Len(t, attrs, 5+len(tt.keys))
				if tt.log == "" {
					assert.Empty(t, log.String())
				} else {
					assert.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
					assert.Contains(t, log.String(), "detector=tracing.ResourceDetectorFunc position=1")
					assert.Contains(t, log.String(), tt.log)
				}
				time.Sleep(time.Hour) // the last one ends, unheard
			})
		})
	}
}

func TestDetectorsAreNotRunForAProviderThatFails(t *testing.T) {
	t.Parallel()
	d := tracing.ResourceDetectorFunc(func(context.Context) (*tracing.Resource, error) {
		assert.Fail(t, "it was run")
		return nil, nil
	})
	_, err := tracing.NewProvider(tracing.WithResourceDetectors(d, nil))
	require.EqualError(t, err, "tracing: WithResourceDetectors: detector is nil")
	_, err = tracing.NewProvider(tracing.WithResourceDetectors(tracing.ResourceDetectorFunc(nil)))
	require.Error(t, err)
}

func TestSchemaConflictIsLogged(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	old := tracing.ResourceDetectorFunc(func(context.Context) (*tracing.Resource, error) {
		return tracing.NewSchemaResource("https://example.com/old", attribute.Bool("old", true)), nil
	})
	r := resourceOf(t, tracing.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		tracing.WithResourceDetectors(old, tracing.OSDetector(), old))
	assert.Empty(t, r.SchemaURL())
	assert.Contains(t, attrsOf(r), attribute.Key("old"))
	assert.Contains(t, attrsOf(r), attribute.Key("os.type"))
	assert.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	assert.Contains(t, log.String(), `schema_urls="[https://example.com/old `+tracing.SchemaURL+`]"`)
}

func detect(t *testing.T, d tracing.ResourceDetector) map[attribute.Key]attribute.Value {
	t.Helper()
	r, err := d.Detect(context.Background())
	require.NoError(t, err)
	return attrsOf(r)
}

func TestProcessDetector(t *testing.T) {
	t.Parallel()
	path, err := os.Executable()
	require.NoError(t, err)
	assert.Equal(t, map[attribute.Key]attribute.Value{
		semconv.ProcessPIDKey:                attribute.IntValue(os.Getpid()),
		semconv.ProcessExecutableNameKey:     attribute.StringValue(filepath.Base(path)),
		semconv.ProcessRuntimeNameKey:        attribute.StringValue("go"),
		semconv.ProcessRuntimeVersionKey:     attribute.StringValue(runtime.Version()),
		semconv.ProcessRuntimeDescriptionKey: attribute.StringValue("go version " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH),
	}, detect(t, tracing.ProcessDetector()), "and no arguments")
	assert.Equal(t, semconv.SchemaURL, tracing.SchemaURL)
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestHostDetector(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	require.NoError(t, err)
	const id = "0123456789abcdef0123456789abcdef"
	for about, tt := range map[string]struct {
		files fstest.MapFS
		id    string
	}{
		"no files":         {nil, ""},
		"machine id":       {fstest.MapFS{"etc/machine-id": file(id + "\n")}, id},
		"of D-Bus":         {fstest.MapFS{"etc/machine-id": file(""), "var/lib/dbus/machine-id": file(id)}, id},
		"not yet there":    {fstest.MapFS{"etc/machine-id": file("uninitialized\n")}, ""},
		"something else":   {fstest.MapFS{"etc/machine-id": file(strings.ToUpper(id))}, ""},
		"a very long file": {fstest.MapFS{"etc/machine-id": file(strings.Repeat(id, 1000))}, ""},
	} {
		want := map[attribute.Key]attribute.Value{
			semconv.HostNameKey: attribute.StringValue(name),
			semconv.HostArchKey: attribute.StringValue(tracing.HostArch(runtime.GOARCH)),
		}
		if tt.id != "" {
			want[semconv.HostIDKey] = attribute.StringValue(tt.id)
		}
		assert.Equal(t, want, detect(t, tracing.HostDetectorOn(tt.files)), about)
	}
	for goarch, want := range map[string]attribute.KeyValue{
		"386": semconv.HostArchX86, "amd64": semconv.HostArchAMD64, "arm": semconv.HostArchARM32, "arm64": semconv.HostArchARM64,
		"ppc64le": semconv.HostArchPPC64, "s390x": semconv.HostArchS390x, "riscv64": semconv.HostArchKey.String("riscv64"),
	} {
		assert.Equal(t, want.Value.AsString(), tracing.HostArch(goarch))
	}
}

func TestOSDetector(t *testing.T) {
	t.Parallel()
	text := func(name, version, description string) map[attribute.Key]attribute.Value {
		m := map[attribute.Key]attribute.Value{semconv.OSTypeKey: attribute.StringValue(tracing.OSType(runtime.GOOS))}
		for key, v := range map[attribute.Key]string{
			semconv.OSNameKey: name, semconv.OSVersionKey: version, semconv.OSDescriptionKey: description,
		} {
			if v != "" {
				m[key] = attribute.StringValue(v)
			}
		}
		return m
	}
	for about, tt := range map[string]struct {
		files fstest.MapFS
		want  map[attribute.Key]attribute.Value
	}{
		"no file": {nil, text("", "", "")},
		"quoted": {fstest.MapFS{
			"etc/os-release":     file("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\n"),
			"usr/lib/os-release": file("NAME=other"),
		}, text("Debian GNU/Linux", "12", "Debian GNU/Linux 12 (bookworm)")},
		"plain": {fstest.MapFS{"usr/lib/os-release": file("# about\n\n NAME=Alpine \nVERSION_ID='3.20'")}, text("Alpine", "3.20", "")},
		"odd": {
			fstest.MapFS{"etc/os-release": file("NAME\nNAME=\nVERSION_ID=\"\nPRETTY_NAME=\"a \\\"b\\\" \\$c \\\\\"\n=\n")},
			text("", `"`, `a "b" $c \`),
		},
	} {
		assert.Equal(t, tt.want, detect(t, tracing.OSDetectorOn(tt.files)), about)
	}
	for goos, want := range map[string]attribute.KeyValue{
		"linux": semconv.OSTypeLinux, "windows": semconv.OSTypeWindows, "darwin": semconv.OSTypeDarwin, "freebsd": semconv.OSTypeFreeBSD,
		"dragonfly": semconv.OSTypeDragonflyBSD, "illumos": semconv.OSTypeSolaris, "plan9": semconv.OSTypeKey.String("plan9"),
	} {
		assert.Equal(t, want.Value.AsString(), tracing.OSType(goos))
	}
}

const (
	containerID = "a73ac06d7d4f1ee2b0d7d5b2a7b7ab33d33e4ad5f6a2a37a9a0e3c8c06b9dbf1"
	sandboxID   = "b0d7d5b2a7b7ab33d33e4ad5f6a2a37a9a0e3c8c06b9dbf1a73ac06d7d4f1ee2"
)

// dockerFiles is what a process in Docker sees under control groups of version 1.
var dockerFiles = fstest.MapFS{"proc/self/cgroup": file("13:pids:/docker/" + containerID + "\n12:cpu:/docker/" + containerID + "\n0::/system.slice\n")}

func TestContainerDetector(t *testing.T) {
	t.Parallel()
	cgroup := func(text string) fstest.MapFS { return fstest.MapFS{"proc/self/cgroup": file(text)} }
	mounts := func(lines ...string) fstest.MapFS {
		return fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "proc/self/mountinfo": file(strings.Join(lines, "\n"))}
	}
	const rootMount = "1546 1535 0:200 / / rw,relatime master:400 - overlay overlay rw"
	for about, tt := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"Docker":                  {dockerFiles, containerID},
		"systemd":                 {cgroup("1:name=systemd:/system.slice/docker-" + containerID + ".scope"), containerID},
		"Kubernetes, cgroupfs":    {cgroup("4:cpu:/kubepods/burstable/pod2c48913c-b29f-11e7-9350-020968147796/" + containerID), containerID},
		"Kubernetes, containerd":  {cgroup("0::/kubepods.slice/kubepods-pod2c48913c.slice/cri-containerd-" + containerID + ".scope"), containerID},
		"Kubernetes, with colons": {cgroup("0::/kubelet/kubepods-pod2c48.slice:cri-containerd:" + containerID), containerID},
		"CRI-O":                   {cgroup("0::/kubepods.slice/crio-" + containerID + ".scope/container"), containerID},
		"Podman":                  {cgroup("0::/machine.slice/libpod-" + containerID + ".scope"), containerID},
		"Podman's monitor":        {cgroup("0::/machine.slice/libpod-conmon-" + containerID + ".scope"), ""},
		"a group inside":          {cgroup("0::/docker/" + containerID + "/init.scope"), containerID},
		"one in the other":        {cgroup("0::/docker/" + sandboxID + "/docker/" + containerID), containerID},
		"Fargate":                 {cgroup("9:perf_event:/ecs/" + containerID[:32] + "/" + containerID[:32] + "-1234567890"), containerID[:32] + "-1234567890"},
		"a session":               {cgroup("0::/user.slice/user-1000.slice/session-2.scope\n"), ""},
		"too short":               {cgroup("0::/docker/" + containerID[1:]), ""},
		"upper case":              {cgroup("0::/docker/" + strings.ToUpper(containerID)), ""},
		"no group":                {cgroup("\n0\n0:\n::\n:::\n"), ""},
		"no files":                {nil, ""},

		"version 2, Docker": {mounts(rootMount,
			"1570 1546 254:1 /docker/volumes/minikube/_data/lib/docker/containers/"+containerID+"/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda1 rw",
			"1571 1546 254:1 /var/lib/docker/containers/"+containerID+"/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw"), containerID},
		"version 2, Podman": {mounts(
			"680 661 0:41 /containers/storage/overlay-containers/"+sandboxID+"/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw",
			"681 661 0:41 /containers/storage/overlay-containers/"+containerID+"/userdata/.containerenv /run/.containerenv rw - tmpfs tmpfs rw"), containerID},
		"version 2, a sandbox's": {mounts(rootMount,
			"720 661 8:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/"+sandboxID+"/hostname /etc/hostname rw - ext4 /dev/sda1 rw"), ""},
		"version 2, mounted elsewhere": {mounts(
			"720 661 8:1 /var/lib/docker/containers/" + sandboxID + "/hostname /mnt/hostname rw - ext4 /dev/sda1 rw"), ""},
		"version 2, odd lines": {mounts("", "1", "1 2 3 4", "1 2 3 /containers/"+containerID+" /etc/hostname"), ""},
	} {
		want := map[attribute.Key]attribute.Value{}
		if tt.want != "" {
			want[semconv.ContainerIDKey] = attribute.StringValue(tt.want)
		}
		assert.Equal(t, want, detect(t, tracing.ContainerDetectorOn(tt.files)), about)
	}
	// Here, whatever this is.
	for key := range detect(t, tracing.ContainerDetector()) {
		assert.Equal(t, semconv.ContainerIDKey, key)
	}
}

// brokenFS cannot read.
type brokenFS struct{}

var errBroken = errors.New("input/output error")

func (brokenFS) Open(string) (fs.File, error) { return nil, errBroken }

func TestDetectorsReportWhatTheyCannotRead(t *testing.T) {
	t.Parallel()
	for _, d := range []tracing.ResourceDetector{
		tracing.HostDetectorOn(brokenFS{}), tracing.OSDetectorOn(brokenFS{}), tracing.ContainerDetectorOn(brokenFS{}),
	} {
		_, err := d.Detect(context.Background())
		assert.ErrorIs(t, err, errBroken, "%T", d)
	}
	attrs := attrsOf(resourceOf(t, tracing.WithLogger(slog.New(slog.DiscardHandler)),
		tracing.WithResourceDetectors(tracing.OSDetectorOn(brokenFS{}))))
	assert.Contains(t, attrs, semconv.OSTypeKey, "what does not come from files")
}

func TestServiceInstanceDetector(t *testing.T) {
	t.Parallel()
	d := tracing.ServiceInstanceDetector()
	id := detect(t, d)[semconv.ServiceInstanceIDKey].AsString()
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
	assert.Equal(t, id, detect(t, d)[semconv.ServiceInstanceIDKey].AsString(), "one detector, one id")
	assert.NotEqual(t, id, detect(t, tracing.ServiceInstanceDetector())[semconv.ServiceInstanceIDKey].AsString())
	assert.NotContains(t, attrsOf(resourceOf(t)), semconv.ServiceInstanceIDKey, "it is no default")
}
