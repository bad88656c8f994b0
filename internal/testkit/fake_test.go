// SPDX-License-Identifier: Apache-2.0

package testkit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

func TestFakeReportsWhatATestSays(t *testing.T) {
	t.Parallel()
	var order []string
	for name, tt := range map[string]struct {
		f    func(testing.TB)
		want string
	}{
		"passes":               {func(testing.TB) {}, ""},
		"errors":               {func(t testing.TB) { t.Errorf("a %d", 1); t.Error("b") }, "a 1\nb\n\n"},
		"fails without a word": {func(t testing.TB) { t.Fail() }, "failed without a word"},
		"ends":                 {func(t testing.TB) { fatal(t); t.Error("not reached") }, "c\n\n"},
		"cleans up": {func(t testing.TB) {
			t.Cleanup(func() { order = append(order, "first") })
			t.Cleanup(func() { order = append(order, "last"); t.FailNow() })
			t.Errorf("d")
		}, "d\n"},
	} {
		assert.Equal(t, tt.want, testkit.Fake(t, tt.f), name)
	}
	assert.Equal(t, []string{"last", "first"}, order)
}

func fatal(t testing.TB) { t.Fatal("c") }

func TestLeftGoroutines(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	defer close(stop)
	left := testkit.LeftGoroutines(t.Name(), time.Millisecond, func() {
		go func() { go func() { <-stop }() }()
	})
	assert.Contains(t, left, "TestLeftGoroutines")
	assert.Empty(t, testkit.LeftGoroutines(t.Name()+" gone", 10*time.Second, func() {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
	}))
	assert.Empty(t, testkit.LeftGoroutines(t.Name()+" none", time.Millisecond, func() {}))
}
