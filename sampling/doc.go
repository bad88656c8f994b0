// SPDX-License-Identifier: Apache-2.0

// Package sampling holds the samplers: they decide at a span's start whether it is recorded.
package sampling
