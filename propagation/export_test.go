// SPDX-License-Identifier: Apache-2.0

package propagation

// FromLookup is FromEnvironment with another environment.
var FromLookup = fromEnvironment
