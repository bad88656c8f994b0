// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// suiteVariable names the environment variable with the folder of a clone of
	// github.com/w3c/trace-context. The suite is not ours to copy, and tests fetch nothing.
	suiteVariable = "W3C_TRACE_CONTEXT"
	// pythonVariable names the one with the Python to run it, python3 by default.
	pythonVariable = "PYTHON"
	// suiteTests is how many tests the suite has at SPEC_LEVEL=2 and STRICT_LEVEL=2.
	suiteTests = 41
)

// TestW3CSuite runs the suite of W3C against the service. What it checks is checked without it too, by
// TestW3CRules of package propagation.
func TestW3CSuite(t *testing.T) {
	t.Parallel()
	folder := os.Getenv(suiteVariable)
	if folder == "" {
		t.Skipf("set %s to a clone of github.com/w3c/trace-context, or run `make w3c-suite`", suiteVariable)
	}
	folder = filepath.Join(folder, "test")
	require.FileExists(t, filepath.Join(folder, "test.py"), "%s is no clone of github.com/w3c/trace-context", suiteVariable)
	python := os.Getenv(pythonVariable)
	if python == "" {
		python = "python3"
	}
	if out, err := exec.CommandContext(soon(t), python, "-c", "import aiohttp").CombinedOutput(); err != nil {
		t.Fatalf("%s cannot import aiohttp; set %s to one that can: %v\n%s", python, pythonVariable, err, out)
	}

	cmd := exec.CommandContext(soon(t), python, "test.py", startService(t))
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "SPEC_LEVEL=2", "STRICT_LEVEL=2", "HARNESS_HOST=127.0.0.1",
		fmt.Sprintf("HARNESS_PORT=%d", freePort(t)), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	assert.Regexp(t, fmt.Sprintf(`(?s)\nRan %d tests in [^\n]*\n+OK\n$`, suiteTests), string(out), "all, and none skipped")
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().(*net.TCPAddr).Port
}
