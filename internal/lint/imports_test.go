// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"path"
	"slices"
	"strings"
)

// floors says on which floor of the house a folder and all below it stand; the longest entry counts.
// Imports only go down: code imports packages of this repository from lower floors alone. The packages
// of one nested module may import each other.
var floors = map[string]int{
	"pool":                        0,
	"internal":                    0,
	"sampling":                    1,
	"sampling/jaegerremote":       2,
	"propagation":                 1,
	"propagation/propagationtest": 1,
	"tracing":                     2,
	"tracing/tracehttp":           3,
	"tracing/tracegrpc":           3,
	"tracing/traceslog":           3,
	"tracing/tracestats":          3,
	"tracing/tracemetric":         3,
	"tracing/tracetest":           3,
	"exporters":                   3,
	"mesh":                        3,
	".":                           4,
	"cmd":                         5,
	"examples":                    5,
	"internal/benchmarks":         5,
	"internal/interop":            5,
	"internal/compliance":         0,
	"internal/lint":               5,
	"internal/soak":               5,
}

// sideways lists imports on one floor that are right, with the reason.
var sideways = map[[2]string]string{
	{"exporters/otlp/otlpgrpc", "exporters/otlp"}: "one encoder for both transports of OTLP",
}

// testKits are the packages that tests on any floor may import. They may import testing, and what
// tests use.
var testKits = []string{"internal/testkit", "propagation/propagationtest", "tracing/tracetest"}

const otel = "go.opentelemetry.io/otel"

// walls forbid what the floors alone would allow.
var walls = []struct {
	from      string   // code in this folder and all below it that is not on a list of its own
	forbidden []string // paths of packages, with what is below them
	tests     bool     // whether its tests must not import them either
	reason    string
}{
	{
		from:      "tracing",
		forbidden: []string{modulePath + "/propagation", "net/http"},
		reason:    "the SDK knows no headers and links no HTTP; what arrived comes through internal/remote",
	},
	{
		from:      "propagation",
		forbidden: []string{"reflect", "regexp"},
		reason:    "reading and writing headers is hot, and strangers send them",
	},
	{
		from:      "tracing/tracehttp",
		forbidden: []string{modulePath + "/tracing", modulePath + "/sampling"},
		reason:    "the wrappers work with any provider: they know the OpenTelemetry API and propagation only",
	},
	{
		from:      "tracing/tracegrpc",
		forbidden: []string{modulePath + "/tracing", modulePath + "/sampling"},
		reason:    "the wrappers work with any provider: they know the OpenTelemetry API and propagation only",
	},
	{
		from:      "tracing/traceslog",
		forbidden: []string{modulePath + "/tracing", modulePath + "/sampling"},
		reason:    "the wrappers work with any provider: they know the OpenTelemetry API only",
	},
	{
		from:      "tracing/tracestats",
		forbidden: []string{"expvar"},
		reason:    "importing it registers a handler on net/http.DefaultServeMux: that is the program's to decide",
	},
	{
		from:      ".",
		forbidden: []string{"unsafe"},
		tests:     true,
		reason:    "unsafe needs an ADR, a safe twin behind a build tag and a differential fuzz test",
	},
}

// ownFolders are below a folder with a wall, but outside the wall.
var ownFolders = []string{"tracing/tracehttp", "tracing/tracegrpc", "tracing/traceslog", "tracing/tracestats", "tracing/tracetest"}

// linked lists the packages of other modules that a package of the root module may link, with what
// is below them. Tests may import what go.mod has; testKits may import testTools.
var linked = map[string][]string{
	"tracing": {otel + "/trace", otel + "/attribute", otel + "/codes"},
	"mesh":    {"go.yaml.in/yaml"},
	".":       {otel, "go.yaml.in/yaml"},
}

// testTools are for tests and testKits only.
var testTools = []string{"github.com/stretchr/testify", "go.uber.org/goleak", "testing", "net/http/httptest"}

var importRules = []rule{
	{
		name:   "floors",
		advice: "Imports only go down; the map is floors in internal/lint/imports_test.go and section \"layout\" of docs/ARCHITECTURE.md",
		check:  checkFloors,
		bad: []string{
			"-- tracing/a.go --\nimport _ \"" + modulePath + "/exporters/zipkin\" // want\n",
			"-- sampling/a.go --\nimport _ \"" + modulePath + "/propagation\" // want\n",
			"-- sampling/a_test.go --\nimport _ \"" + modulePath + "/tracing\" // want\n",
			"-- exporters/zipkin/a.go --\nimport _ \"" + modulePath + "\" // want\n",
			"-- internal/wire/a.go --\nimport _ \"" + modulePath + "/pool\" // want\n",
			"-- tracing/a.go --\nimport _ \"" + modulePath + "/tracing/tracetest\" // want\n",
			"-- new/a.go want --\npackage new\n",
		},
		good: []string{
			"-- tracing/a.go --\nimport _ \"" + modulePath + "/sampling\"\n",
			"-- tracing/a_test.go --\nimport _ \"" + modulePath + "/tracing\"\n",
			"-- sampling/a_test.go --\nimport _ \"" + modulePath + "/internal/testkit\"\n",
			"-- exporters/otlp/otlpgrpc/a.go --\nimport _ \"" + modulePath + "/exporters/otlp\"\n",
			"-- start.go --\nimport _ \"" + modulePath + "/exporters/zipkin\"\n",
			"-- cmd/spandrel/a.go --\nimport _ \"" + modulePath + "\"\n",
			"-- cmd/spandrel/go.mod --\nmodule m\n" +
				"-- cmd/spandrel/a.go --\nimport _ \"" + modulePath + "/cmd/spandrel/view\"\n",
		},
	},
	{
		name:   "walls",
		advice: "Take it from a lower floor, or let the caller pass it in",
		check:  eachGo(checkWalls),
		bad: []string{
			"-- tracing/a.go --\nimport _ \"" + modulePath + "/propagation\" // want\n",
			"-- tracing/a.go --\nimport _ \"net/http\" // want\n",
			"-- tracing/tracehttp/a.go --\nimport _ \"" + modulePath + "/tracing\" // want\n",
			"-- tracing/traceslog/a.go --\nimport _ \"" + modulePath + "/tracing\" // want\n",
			"-- tracing/tracestats/a.go --\nimport _ \"expvar\" // want\n",
			"-- sampling/a_test.go --\nimport _ \"unsafe\" // want\n",
		},
		good: []string{
			"-- tracing/a_test.go --\nimport _ \"net/http\"\n",
			"-- tracing/tracehttp/a.go --\nimport _ \"net/http\"\n",
			"-- tracing/tracehttp/a_test.go --\nimport _ \"" + modulePath + "/tracing\"\n",
		},
	},
	{
		name:   "foreign packages",
		advice: "Another dependency of the root module needs an ADR in docs/adr and an entry in internal/lint/imports_test.go",
		check:  checkForeign,
		bad: []string{
			"-- sampling/a.go --\nimport _ \"example.com/m\" // want\n",
			"-- tracing/a.go --\nimport _ \"" + otel + "\" // want\n",
			"-- sampling/a.go --\nimport _ \"go.yaml.in/yaml/v3\" // want\n",
			"-- sampling/a.go --\nimport _ \"testing\" // want\n",
			"-- exporters/zipkin/a.go --\nimport _ \"github.com/stretchr/testify/assert\" // want\n",
		},
		good: []string{
			"-- sampling/a.go --\nimport _ \"" + otel + "/trace\"\n",
			"-- mesh/a.go --\nimport _ \"go.yaml.in/yaml/v3\"\n",
			"-- sampling/a_test.go --\nimport _ \"github.com/stretchr/testify/assert\"\n",
			"-- tracing/tracetest/a.go --\nimport _ \"testing\"\n",
			"-- m/go.mod --\nmodule m\n-- m/a.go --\nimport _ \"example.com/m\"\n",
		},
	},
	{
		name:   "published modules",
		advice: "A user may combine another version of this module with another of the root: make public what it needs, or copy it",
		check:  checkPublished,
		bad: []string{
			"-- tracing/tracegrpc/go.mod --\nmodule m\n" +
				"-- tracing/tracegrpc/a_test.go --\nimport _ \"" + modulePath + "/internal/remote\" // want\n",
		},
		good: []string{
			"-- tracing/tracegrpc/go.mod --\nmodule m\n" +
				"-- tracing/tracegrpc/a.go --\nimport _ \"" + modulePath + "/tracing/tracegrpc/internal/x\"\n",
			"-- internal/interop/go.mod --\nmodule m\n" +
				"-- internal/interop/a.go --\nimport _ \"" + modulePath + "/internal/wire\"\n",
		},
	},
}

// floorOf returns the floor of a folder. The root's entry is for the root package alone.
func floorOf(dir string) (floor int, ok bool) {
	if dir == "." {
		return floors["."], true
	}
	for ; dir != "."; dir = path.Dir(dir) {
		if floor, ok := floors[dir]; ok {
			return floor, true
		}
	}
	return 0, false
}

// inHouse returns the folder of an imported package, where it is one of this repository.
func inHouse(pkg string) (dir string, ok bool) {
	if pkg == modulePath {
		return ".", true
	}
	return strings.CutPrefix(pkg, modulePath+"/")
}

func within(pkg string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return pkg == r || strings.HasPrefix(pkg, r+"/") })
}

func checkFloors(files []*file) []finding {
	nested := nestedModules(files)
	return eachGo(func(f *file) (found []finding) {
		floor, ok := floorOf(f.dir())
		if !ok {
			return []finding{{path: f.path, text: "this folder stands on no floor"}}
		}
		for pkg, spec := range f.imports() {
			dir, ok := inHouse(pkg)
			sameModule := slices.ContainsFunc(nested, func(m string) bool { return f.under(m) && within(dir, []string{m}) })
			switch below, known := floorOf(dir); {
			case !ok || dir == f.dir() || sameModule || known && below < floor:
			case f.isTest() && within(dir, testKits):
			case sideways[[2]string{f.dir(), dir}] != "":
			default:
				found = append(found, f.at(spec.Pos(), "%s on floor %d imports %s on floor %d", f.dir(), floor, dir, below))
			}
		}
		return found
	})(files)
}

func checkWalls(f *file) (found []finding) {
	for _, wall := range walls {
		outside := slices.ContainsFunc(ownFolders, func(own string) bool {
			return f.under(own) && strings.HasPrefix(own, wall.from+"/")
		})
		if !f.under(wall.from) || outside || f.isTest() && !wall.tests {
			continue
		}
		for pkg, spec := range f.imports() {
			if within(pkg, wall.forbidden) {
				found = append(found, f.at(spec.Pos(), "%s imports %s: %s", f.dir(), pkg, wall.reason))
			}
		}
	}
	return found
}

// checkForeign looks at the root module only: nested modules list their dependencies in their go.mod.
func checkForeign(files []*file) []finding {
	nested := nestedModules(files)
	return eachGo(func(f *file) (found []finding) {
		if f.isTest() || f.under(nested...) {
			return nil
		}
		allowed, ok := linked[f.dir()]
		if !ok {
			allowed = []string{otel}
		}
		for pkg, spec := range f.imports() {
			domain, _, _ := strings.Cut(pkg, "/")
			_, ours := inHouse(pkg)
			standard := !strings.Contains(domain, ".")
			switch {
			case within(pkg, testTools) && f.under(testKits...):
			case within(pkg, testTools) && pkg != "testing/synctest":
				found = append(found, f.at(spec.Pos(), "%s is for tests", pkg))
			case !ours && !standard && !within(pkg, allowed):
				found = append(found, f.at(spec.Pos(), "%s must not link %s", f.dir(), pkg))
			}
		}
		return found
	})(files)
}

func checkPublished(files []*file) []finding {
	published := slices.DeleteFunc(nestedModules(files), func(dir string) bool {
		return within(dir, []string{"internal", "examples"})
	})
	return eachGo(func(f *file) (found []finding) {
		for pkg, spec := range f.imports() {
			dir, ok := inHouse(pkg)
			if ok && f.under(published...) && !within(dir, published) && strings.Contains("/"+dir+"/", "/internal/") {
				found = append(found, f.at(spec.Pos(), "a published module imports %s", pkg))
			}
		}
		return found
	})(files)
}

// nestedModules returns the folders of all modules but the root's.
func nestedModules(files []*file) (dirs []string) {
	for _, f := range files {
		if path.Base(f.path) == "go.mod" && f.dir() != "." && !strings.Contains(f.path, "testdata/") {
			dirs = append(dirs, f.dir())
		}
	}
	return dirs
}
