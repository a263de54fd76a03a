# Thin: the CMake presets do the work. `make help` says what there is.
.DEFAULT_GOAL := help
.PHONY: help install-deps build program test demo bench gpu-check sanitize check clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

install-deps: ## install what is missing (Debian and Ubuntu; elsewhere the list is printed)
	@scripts/install-deps.sh

build: install-deps ## everything: program, library, tests
	@cmake --preset release $(CMAKE_ARGS)
	@cmake --build build/release

program: install-deps ## build/release/fringe alone
	@cmake --preset release $(CMAKE_ARGS)
	@cmake --build build/release --target fringe_program

test: build ## the whole test suite
	@ctest --preset release

demo: program ## simulate a noisy crystal, retrieve it, compare, draw: everything under demo/
	@scripts/demo.sh

bench: program ## what every kernel costs, beside the machine's roofs
	@build/release/fringe bench

gpu-check: ## on a machine with a GPU: build for it, test, compute-sanitizer, benches, one report
	@scripts/gpu-check.sh

sanitize: install-deps ## the fast tests with address and undefined-behaviour sanitizers
	@cmake --preset sanitize $(CMAKE_ARGS)
	@cmake --build build/sanitize
	@ctest --preset sanitize

check: ## the rules of the tree: layers, names, no stray paths
	@python3 scripts/check.py

clean: ## remove build/ and demo/
	rm -rf build demo
