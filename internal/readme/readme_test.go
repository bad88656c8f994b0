// SPDX-License-Identifier: Apache-2.0

package readme_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/testkit/backend"
)

const root = "../.."

// programs returns the Go programs of the README.
func programs(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	var list []string
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	require.Len(t, list, 2, "programs in README.md")
	return list
}

// build compiles a program with the modules of this repository and returns the binary.
func build(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	binary := filepath.Join(dir, "program")
	cmd := exec.Command("go", "build", "-o", binary, file)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

func TestHandlerProgram(t *testing.T) {
	t.Parallel()
	// The program listens on a fixed port, as programs do; the test gives it that of a backend, which is free
	// when the backend has stopped, and which nobody else takes while the program is being built.
	free := backend.New(t)
	free.Stop()
	at, err := url.Parse(free.URL())
	require.NoError(t, err)
	source := programs(t)[0]
	require.Equal(t, 1, strings.Count(source, "127.0.0.1:8080"))
	binary := build(t, strings.Replace(source, "127.0.0.1:8080", at.Host, 1))

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var body []byte
	require.Eventually(t, func() bool {
		resp, err := client.Get("http://" + at.Host + "/hello/kong")
		if err != nil {
			return false // not listening yet
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	assert.Equal(t, "hello, kong\n", string(body))

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var lines []string
	for scan := bufio.NewScanner(stdout); scan.Scan(); {
		lines = append(lines, scan.Text())
	}
	require.NoError(t, cmd.Wait())
	text := strings.Join(lines, "\n")
	assert.Regexp(t, `(?m)^trace [0-9a-f]{32} .* 1 span`, text)
	assert.Regexp(t, `hello +GET /hello/\{name\} +server`, text)
}

func TestExporterProgram(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(build(t, programs(t)[1])).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "cli greet internal\n   greeting.text hello\n", string(out))
}
