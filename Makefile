# Every target works on every module of this repository. It needs Go 1.26 and bash, nothing else, but
# for `make servers`. Tools are built by Go into .tmp/bin, each pinned to one version.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

MODULES := $(shell find . -name go.mod -not -path '*/testdata/*' -not -path './.tmp/*' -exec dirname {} \; | sort)
# The modules below internal only measure and compare: what they link is not ours to check for races.
LIBRARY := $(filter-out ./internal/%,$(MODULES))

# Targets are relative: the path of this tree may have a space in it.
BIN := .tmp/bin
GOLANGCI_VERSION := v2.12.2
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)
# run-lint runs the linter in any folder, also beside one in another tree.
run-lint = '$(CURDIR)/$(GOLANGCI)' run --allow-parallel-runners --config '$(CURDIR)/.golangci.yml'
# Its cache is this tree's own: findings are kept by content and with the path they were found at, so in a
# shared one those of a copy elsewhere come back, past the exclusions, which go by path.
export GOLANGCI_LINT_CACHE := $(CURDIR)/.tmp/golangci-lint
# govulncheck is not here: it asks a database over the network, and all targets but the downloads of
# modules and servers work without.

FUZZTIME ?= 2000x
BENCHTIME ?= 1s
SOAKTIME ?= 10m
TESTFLAGS ?=
# The race detector makes all slower, and a busy machine does so again: ten minutes may not be enough for a package.
RACE := go test -race -timeout 30m

# each runs a command in the folders of a list of modules, and stops at the first failure.
each = for module in $(1); do echo "== $$module: $(2)"; (cd "$$module" && $(2)); done

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | expand -t 18

.PHONY: all
all: tidy-check lint test test-invariants test-race ## What to run before a pull request

.PHONY: lint
lint: $(GOLANGCI) ## Formatters, linters, and the house rules (internal/lint)
	@$(call each,$(MODULES),go vet ./...)
	@$(call each,$(MODULES),$(run-lint) ./...)
	@$(call each,$(LIBRARY),$(run-lint) --build-tags invariants ./...)
	go test ./internal/lint

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the code
	@$(call each,$(MODULES),'$(CURDIR)/$(GOLANGCI)' fmt --config '$(CURDIR)/.golangci.yml' ./...)

.PHONY: test
test: ## Every test of every module; those of real servers need `make servers`
	@$(call each,$(MODULES),go test $(TESTFLAGS) ./...)

.PHONY: test-race
test-race: ## The tests under the race detector, which is a checked build as well
	@$(call each,$(LIBRARY),$(RACE) $(TESTFLAGS) ./...)

.PHONY: test-invariants
test-invariants: ## The tests of a checked build
	@$(call each,$(LIBRARY),go test -tags invariants $(TESTFLAGS) ./...)

.PHONY: test-concurrent
test-concurrent: ## The ConcurrentSafe tests under the race detector, again and again
	@$(call each,$(LIBRARY),$(RACE) -run ConcurrentSafe -count=10 ./...)

.PHONY: fuzz
fuzz: ## Every fuzz test, FUZZTIME each (2000x: 2,000 inputs; 1m: a minute)
	@grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' --exclude-dir=testdata --exclude-dir=.tmp . | sort | \
	while IFS=: read -r file func; do \
		name=$${func#func }; echo "== $$file: $$name"; \
		(cd "$$(dirname "$$file")" && go test -run "^$$name\$$" -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s .); \
	done

.PHONY: bench
bench: ## Every benchmark, BENCHTIME each
	@$(call each,$(MODULES),go test -run '^$$' -bench . -benchtime $(BENCHTIME) $(TESTFLAGS) ./...)

.PHONY: soak
soak: ## Much load before a backend that is gone half of the time, for SOAKTIME; `make test` has 6 s of it
	go test -count=1 -timeout 0 -v -run '^TestSoak$$' ./internal/soak -soak $(SOAKTIME)

.PHONY: cover
cover: ## How much of each module its tests reach; profiles in .tmp/cover
	@mkdir -p .tmp/cover
	@$(call each,$(LIBRARY),name=$$(echo $${module#.} | tr / -); profile='$(CURDIR)'/.tmp/cover/module$$name.out; go test -coverpkg=./... -coverprofile "$$profile" ./... && go tool cover -func "$$profile" | tail -n 1)

.PHONY: vet-cross
vet-cross: ## go vet for a 32-bit and for another 64-bit machine
	@$(call each,$(LIBRARY),CGO_ENABLED=0 GOARCH=386 go vet ./...)
	@$(call each,$(LIBRARY),CGO_ENABLED=0 GOARCH=arm64 go vet ./...)

.PHONY: tidy
tidy: ## go mod tidy in every module
	@$(call each,$(MODULES),go mod tidy)

.PHONY: tidy-check
tidy-check: ## Fail where `make tidy` would change something
	@$(call each,$(MODULES),go mod tidy -diff)

.PHONY: servers
servers: ## Fetch the real servers that tests talk to into the user's cache folder (Java 17, Maven, Python 3 with pip)
	@.ci/servers/fetch

# absolute makes a path independent of the folder; a plain name stays one.
absolute = $(if $(findstring /,$(1)),$(abspath $(1)),$(1))

.PHONY: w3c-suite
w3c-suite: ## W3C's validation suite: W3C_TRACE_CONTEXT=its clone, PYTHON=one that has aiohttp
	@[ -n "$(W3C_TRACE_CONTEXT)" ] || { echo "w3c-suite: set W3C_TRACE_CONTEXT to a clone of github.com/w3c/trace-context, and PYTHON where python3 has no aiohttp" >&2; exit 1; }
	@cd internal/interop && W3C_TRACE_CONTEXT='$(abspath $(W3C_TRACE_CONTEXT))' PYTHON='$(call absolute,$(PYTHON))' go test -count=1 -v -run '^TestW3CSuite$$' ./w3cservice

.PHONY: quickstart
quickstart: ## Run the first example
	cd examples/quickstart && go run .

.PHONY: clean
clean: ## Remove tools and profiles; the servers in the cache folder stay
	rm -rf .tmp

$(GOLANGCI):
	@mkdir -p $(BIN)
	GOBIN='$(CURDIR)/$(BIN)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@
