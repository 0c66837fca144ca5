# SPDX-License-Identifier: Apache-2.0

export CGO_ENABLED = 0
export GOFLAGS += -buildvcs=false

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   = -s -w -X hids/commands.version=$(VERSION)
FUZZTIME ?= 10s
CROSS     = linux/amd64 linux/arm64 linux/386 windows/amd64 freebsd/amd64 darwin/arm64
LINT      = go tool -modfile=packaging/lint.mod golangci-lint
CHANGIE = go tool -modfile=packaging/changie.mod changie
SIZE_LIMIT = 16777216

.PHONY: all
all: build

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

.PHONY: build
build: ## build ./hids for this machine
	go build -trimpath -ldflags '$(LDFLAGS)' -o hids .

.PHONY: scan
scan: build ## build, then scan the system folders: the first run makes the baseline, later runs say what differs
	@# What differs (1) and what a plain user can't read (3) is no failure of make.
	@./hids syscheck --scan-now || test $$? = 1 || test $$? = 3

.PHONY: setup
setup: ## install what the tests need (Debian packages; as root)
	.ci/setup

.PHONY: test
test: setup ## run every test: plain, under the race detector, and as a plain user
	go vet ./...
	go test -timeout 30m ./...
	CGO_ENABLED=1 go test -race -timeout 30m ./...
	.ci/unprivileged

.PHONY: cross
cross: ## build and vet for every platform
	@set -e; for target in $(CROSS); do echo "cross $$target"; \
	  GOOS=$${target%/*} GOARCH=$${target#*/} go build -trimpath -o /dev/null . ; \
	  GOOS=$${target%/*} GOARCH=$${target#*/} go vet ./... ; done

.PHONY: lint
lint: ## check formatting, modernisation and the linters of .golangci.yml
	@test -z "$$(gofmt -l .)" || { echo "gofmt wants:"; gofmt -l .; exit 1; }
	$(LINT) run --timeout 20m ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: build ## run the benchmarks at full size (minutes)
	go test -run '^$$' -bench . -benchmem -timeout 60m ./...

.PHONY: bench-smoke
bench-smoke: ## run every benchmark once at small size, to see that it works
	HIDS_BENCH_SCALE=100 go test -run '^$$' -bench . -benchtime 1x -timeout 10m ./...

.PHONY: docs
docs: ## write the man pages and the completions anew
	rm -f packaging/man/*.[0-9]
	go run ./packaging/docgen packaging

.PHONY: change
change: ## ask for a change that a user can see, and write a file of it
	$(CHANGIE) new

.PHONY: changelog
changelog: ## gather the files of changes into CHANGELOG.md: make changelog VERSION=v1.2.0
	$(CHANGIE) batch $(VERSION)
	$(CHANGIE) merge

.PHONY: packages
packages: ## make deb, rpm and tar.gz for amd64 and arm64 in dist
	rm -rf dist
	packaging/build dist

.PHONY: release
release: packages ## make the packages and their checksums in dist
	cd dist && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .

.PHONY: test-packages
test-packages: setup ## build, install, use, upgrade and remove the packages in fresh Debian systems (as root)
	packaging/test/run

.PHONY: size
size: build ## hold the stripped binary to its budget (16 MiB)
	@n=$$(stat -c %s hids); echo "hids: $$n bytes, budget $(SIZE_LIMIT)"; test $$n -le $(SIZE_LIMIT)

.PHONY: clean
clean: ## remove what was built
	rm -rf hids dist
