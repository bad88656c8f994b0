// SPDX-License-Identifier: Apache-2.0

//go:build invariants || race

// Checked builds allocate by themselves.

package testkit

const checkedBuild = true
