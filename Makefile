# Short names for the chores in xtask/. `make` alone lists them.

# Not `cargo xtask`, which is quiet: the first build takes a while and should be seen.
XTASK = cargo run --package xtask --

.DEFAULT_GOAL = help
.PHONY: help demo demo-down test images generate lint fmt clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Start a cluster with an application whose logs are shipped, and show it
	$(XTASK) demo

demo-down: ## Remove all that `make demo` started
	$(XTASK) demo-down

test: ## Run every check and every test, unit to end to end
	$(XTASK) test

images: ## Build the container images as archives in target/images
	$(XTASK) images

generate: ## Write the files that are generated from code
	$(XTASK) generate

lint: ## Check formatting, lints, generated files and the chart
	$(XTASK) lint

fmt: ## Format the code
	cargo fmt --all

clean: ## Remove what was built in the checkout (the cache of tools stays)
	cargo clean
