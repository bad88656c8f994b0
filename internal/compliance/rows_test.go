// SPDX-License-Identifier: Apache-2.0

package compliance_test

// specVersion is the version of the OpenTelemetry specification that the rows are of.
const specVersion = "1.60.0"

// section is one table of the page.
type section struct {
	name   string
	source string // where the rows come from, as Markdown
	// matrix says that the rows are those of the specification's compliance matrix, in its words, so
	// that the column of the OpenTelemetry Go SDK can be filled.
	matrix bool
	rows   []row
}

// row is one thing that the specification asks for. Just one of tests, later, differs and none is set.
type row struct {
	group    string // its heading within the section
	feature  string
	optional bool
	upstream string // what the matrix says of the OpenTelemetry Go SDK; only in a section with matrix
	tests    []string
	later    string // why it is not there yet
	differs  string // what spandrel does instead, and why
	none     string // why it asks nothing of this project
	remark   string // what a reader should know of a row with tests
}

// spec returns the names of tests from what stands behind their common beginning.
func spec(names ...string) []string {
	for i := range names {
		names[i] = testPrefix + names[i]
	}
	return names
}

// testPrefix begins the name of each test that shows a row, and of no other.
const testPrefix = "TestSpec_"

var sections = []section{
	traces, baggage, resource, contextPropagation, environment,
	environmentRules, tracerRules, samplingRules, limitRules, processorRules, batchRules, concurrencyRules, errorRules,
	exporterRows, declarative, selfObservability, openTracing,
}
