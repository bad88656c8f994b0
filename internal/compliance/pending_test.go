// SPDX-License-Identifier: Apache-2.0

package compliance_test

// pending lists what is still to be written: tests that rows name, and rows without one as
// "section/group/feature". While it is not empty, tests that belong to no row are not reported: they
// may be those that are waited for.
var pending = []string{
}
