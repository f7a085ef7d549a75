# What developers do by hand. CI runs .ci/run, which needs no make.
export CGO_ENABLED = 0

.PHONY: help build test lint demo bench ci clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

build: ## the program, as ./nfcot
	go build -o nfcot .

test: ## all tests, and which were skipped
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && .ci/test "$$log" go test ./...

lint: ## gofmt, go vet, staticcheck, go.mod
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	go mod tidy -diff

demo: ## the whole pipeline, from nothing to a table
	go run . demo

bench: ## speed of the kernels
	go test -run '^$$' -bench . ./internal/tensor/...

ci: ## what CI runs
	bash .ci/run

clean: ## remove what the targets above left
	rm -rf nfcot nfcot-demo
