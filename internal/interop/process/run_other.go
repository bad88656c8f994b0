// SPDX-License-Identifier: Apache-2.0

//go:build !linux

// Only Linux ends a process together with the one that started it.

package process

import "os/exec"

// run runs cmd to its end.
func run(cmd *exec.Cmd) error { return cmd.Run() }
