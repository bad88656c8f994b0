// SPDX-License-Identifier: Apache-2.0

// getrusage(2) is the only way to the CPU time of the whole process.

//go:build unix

package benchmarks

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"time"
)

// processCPU returns the user and system time that this process has used.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("benchmarks: getrusage: %v", err)) // fails only for a wrong argument
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// userHertz is the unit of /proc/stat on all platforms that Go runs on.
const userHertz = 100

// machineBusy returns the time that all processes of the machine, and hypervisors that took it away,
// have used since it was started; false where there is no /proc/stat.
func machineBusy() (time.Duration, bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var user, nice, system, idle, iowait, irq, softirq, steal int64
	if _, err := fmt.Sscanf(string(line), "cpu %d %d %d %d %d %d %d %d",
		&user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err != nil {
		return 0, false
	}
	return time.Duration(user+nice+system+irq+softirq+steal) * time.Second / userHertz, true
}
