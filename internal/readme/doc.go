// SPDX-License-Identifier: Apache-2.0

// Package readme tests the programs in README.md: they are compiled and run as they stand there.
package readme
