// SPDX-License-Identifier: Apache-2.0

// Package tracing is spandrel's tracing SDK.
package tracing

// Version is the version of this library, as it stands in telemetry.sdk.version.
const Version = "0.1.0-dev"
