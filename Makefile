# The commands of this repository. `make` alone lists them.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Knobs, as in `make fuzz FUZZTIME=5m PKG=./internal/arn`.
PKG      ?= ./...
FUZZTIME ?= 20s
BENCH    ?= .
SEED     ?=
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
SEEDS    ?= 20000
FLOORS   ?=

# A tool is built once for each version that tools/go.mod names.
version_of = $(shell awk '$$1 == "$(1)" { print $$2 }' tools/go.mod)
LINT_VERSION := $(call version_of,github.com/golangci/golangci-lint/v2)
LINT    := bin/golangci-lint-$(LINT_VERSION)
TESTSUM := bin/testsum
DOCGEN  := bin/docgen

##@ Use

.PHONY: help
help: ## list these targets
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: up
up: build ## build what is missing and run maitred on this machine, with an example
	bin/maitred up --example web

.PHONY: build
build: ## build bin/maitred, one static binary, and the examples' programs
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/maitred ./cmd/maitred
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/examples/ ./examples/...

.PHONY: clean
clean: ## remove what was built; Go's caches stay
	rm -rf bin dist

##@ Test

.PHONY: test
test: vet $(TESTSUM) ## run every test; ends with what was skipped for want of what, and Go's summary
	go -C tools test ./...
	$(TESTSUM) $(TESTFLAGS) $(PKG)

.PHONY: vet
vet: ## run go vet
	go vet $(PKG)
	go -C tools vet ./...

.PHONY: race
race: $(TESTSUM) ## run every test with the race detector; needs a C compiler
	CGO_ENABLED=1 $(TESTSUM) -race $(TESTFLAGS) $(PKG)

.PHONY: sim
sim: ## run the simulator from SEEDS fixed seeds, or from one: SEED=42
	SIM_SCHEDULES=$(SEEDS) SIM_SEED=$(SEED) go test -count=1 -timeout 30m ./internal/sim/...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME
	@go test -list '^Fuzz' $(PKG) \
	| awk '/^Fuzz/ { targets[++n] = $$1 } $$1 == "ok" { for (i = 1; i <= n; i++) print $$2, targets[i] } !/^Fuzz/ { n = 0 }' \
	| while read -r package target; do \
		echo "== $$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" < /dev/null; \
	done

.PHONY: bench
bench: ## run the benchmarks that match BENCH
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: floors
floors: ## measure maitred beside what the machine itself needs, as with FLOORS='-run kill -n 10'
	go run ./bench $(FLOORS)

##@ Keep tidy

.PHONY: check
check: lint test docs-check ## what a change has to pass before it is committed

.PHONY: lint
lint: $(LINT) ## run the linters of .golangci.yml, at the version that tools/go.mod pins
	$(LINT) run $(PKG)
	cd tools && ../$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## format as the linters want it
	$(LINT) fmt

.PHONY: docs
docs: $(DOCGEN) build ## regenerate the parts of Markdown files that a command prints
	git ls-files -z '*.md' | xargs -0 $(DOCGEN)

.PHONY: docs-check
docs-check: $(DOCGEN) build ## fail when a generated part is out of date
	git ls-files -z '*.md' | xargs -0 $(DOCGEN) -check

$(LINT): tools/go.mod
	@echo "building golangci-lint $(LINT_VERSION); the first time this takes minutes"
	CGO_ENABLED=0 go -C tools build -trimpath -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(TESTSUM): $(wildcard tools/testsum/*.go) tools/go.mod
	go -C tools build -o ../$@ ./testsum

$(DOCGEN): $(wildcard tools/docgen/*.go) tools/go.mod
	go -C tools build -o ../$@ ./docgen
