// SPDX-License-Identifier: Apache-2.0

package testkit_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

// recorder is a test that notes its failure instead of failing. It skips as the real one does.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Errorf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }

var sink *[64]byte

// oneInFour allocates 64 bytes in every fourth call.
func oneInFour() func() {
	calls := 0
	return func() {
		if calls++; calls%4 == 0 {
			sink = new([64]byte)
		}
	}
}

func TestMaxMallocs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		perRun float64
		f      func()
		want   string
	}{
		{"none", 0, func() {}, ""},
		{"one, allowed", 1, func() { sink = new([64]byte) }, ""},
		{"one in four, allowed", 0.25, oneInFour(), ""},
		{"one in four", 0.24, oneInFour(), "got 250 mallocs in 1000 runs (0.250 a run), want at most 0.24 a run"},
		{"one", 0, func() { sink = new([64]byte) }, "got 1000 mallocs in 1000 runs (1.000 a run), want at most 0 a run"},
		{"one by another goroutine", 0.5, func() {
			done := make(chan struct{})
			go func() { sink = new([64]byte); close(done) }()
			<-done
		}, "mallocs in 1000 runs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{TB: t}
			testkit.MaxMallocs(r, 1000, tt.perRun, tt.f)
			if tt.want == "" {
				assert.Empty(t, r.failure)
			} else {
				assert.Contains(t, r.failure, tt.want)
			}
		})
	}
}

func TestMaxBytes(t *testing.T) {
	r := &recorder{TB: t}
	testkit.MaxBytes(r, 1000, 16, oneInFour())
	assert.Empty(t, r.failure)
	testkit.MaxBytes(r, 1000, 15, oneInFour())
	assert.Contains(t, r.failure, "got 16000 bytes in 1000 runs (16.000 a run), want at most 15 a run")
}

func TestColdStartIsNotMeasured(t *testing.T) {
	cold := true
	testkit.MaxMallocs(t, 1, 0, func() {
		if cold {
			sink = new([64]byte)
			cold = false
		}
	})
}

func TestParallelTestsAreRefused(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { testkit.MaxMallocs(t, 1, 0, func() {}) })
}
