// SPDX-License-Identifier: Apache-2.0

package zipkinserver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
)

// verdict is a test that notes how it is told to end, and then does not.
type verdict struct {
	testing.TB
	skipped, failed string
}

func (v *verdict) Helper()           {}
func (v *verdict) Skip(args ...any)  { v.skipped = fmt.Sprint(args...); runtime.Goexit() }
func (v *verdict) Fatal(args ...any) { v.failed = fmt.Sprint(args...); runtime.Goexit() }

// verdictOf asks for a server as a test would.
func verdictOf() (v verdict) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var shared zipkinserver.Shared
		defer shared.Stop()
		shared.Get(&v)
	}()
	<-done
	return v
}

// Not parallel: the environment says where the cache folder is, and what a missing server means.
func TestMissingServer(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	t.Setenv("LocalAppData", cache)

	t.Run("no jar skips", func(t *testing.T) {
		t.Setenv("SPANDREL_REQUIRE_SERVERS", "")
		v := verdictOf()
		assert.Contains(t, v.skipped, "make servers")
		assert.Empty(t, v.failed)
	})
	t.Run("no jar fails where servers are required", func(t *testing.T) {
		t.Setenv("SPANDREL_REQUIRE_SERVERS", "1")
		v := verdictOf()
		assert.Contains(t, v.failed, "make servers")
		assert.Empty(t, v.skipped)
	})

	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	dir = filepath.Join(dir, "spandrel-interop")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	jar := filepath.Join(dir, "zipkin-server-3.5.1-exec.jar")
	require.NoError(t, os.WriteFile(jar, []byte("no jar"), 0o600))

	t.Run("no Java skips", func(t *testing.T) {
		t.Setenv("SPANDREL_REQUIRE_SERVERS", "0")
		t.Setenv("JAVA_HOME", filepath.Join(cache, "nowhere"))
		v := verdictOf()
		assert.Contains(t, v.skipped, "make servers")
		assert.Contains(t, v.skipped, "Java 17")
	})
	t.Run("a server that does not start fails, with what it printed", func(t *testing.T) {
		home := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(home, "bin"), 0o755))
		java := "#!/bin/sh\necho this is no Java\nexit 3\n"
		require.NoError(t, os.WriteFile(filepath.Join(home, "bin", "java"), []byte(java), 0o700))
		t.Setenv("SPANDREL_REQUIRE_SERVERS", "")
		t.Setenv("JAVA_HOME", home)
		v := verdictOf()
		assert.Contains(t, v.failed, "this is no Java")
		assert.Contains(t, v.failed, "exit status 3")
		assert.Empty(t, v.skipped)
	})
}
