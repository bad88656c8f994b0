// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os/exec"
	"runtime"
	"syscall"
)

// run runs cmd to its end. The kernel ends the process should this one die without stopping it, as a
// test does that exceeds its time. It does so when the thread that started the process ends, hence the
// lock.
func run(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}
