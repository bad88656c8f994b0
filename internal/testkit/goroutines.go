// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
)

// LeftGoroutines runs f and returns the stacks of the goroutines that it started, at any depth, and that
// are not gone within the given time; "" if there are none. Other goroutines, as those of parallel tests,
// do not matter: it goes by a profiler label, which a goroutine has from the one that started it. name
// must differ between calls at the same time.
func LeftGoroutines(name string, within time.Duration, f func()) string {
	const key = "testkit.LeftGoroutines"
	pprof.Do(context.Background(), pprof.Labels(key, name), func(context.Context) { f() })
	// What ends does so a little after it was told to, and nothing says when.
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for pause := time.Millisecond; ; pause *= 2 {
		left := labelled(fmt.Sprintf("%q:%q", key, name))
		if left == "" {
			return ""
		}
		select {
		case <-time.After(pause):
		case <-deadline.C:
			return left
		}
	}
}

// labelled returns the stacks of the goroutines with this label.
func labelled(label string) string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return err.Error()
	}
	var left []string
	for block := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(block, label) {
			left = append(left, block)
		}
	}
	return strings.Join(left, "\n")
}
