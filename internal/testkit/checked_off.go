// SPDX-License-Identifier: Apache-2.0

//go:build !invariants && !race

// Plain builds allocate what the code does.

package testkit

const checkedBuild = false
