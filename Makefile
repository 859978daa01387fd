# Targets only: each is a command one could type.
#
# A Rust toolchain, make and a C compiler are enough; `test-aws` needs Python 3.10 or later besides.
# cargo-nextest and cargo-deny are taken from the PATH, or else installed once under .tools, where
# the emulator of AWS is too.

NEXTEST := $(shell command -v cargo-nextest || echo .tools/bin/cargo-nextest)
DENY := $(shell command -v cargo-deny || echo .tools/bin/cargo-deny)

EMULATOR := .tools/ministack

.PHONY: help demo test test-aws check fmt doc bless

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run the demo against a simulated Microsoft 365, on this machine alone
	cargo run --locked -- demo

test: $(NEXTEST) ## Run all tests
	$(NEXTEST) nextest run --locked
	cargo test --doc --locked

test-aws: $(NEXTEST) $(EMULATOR)/installed ## Run the tests of the AWS adapters, against an emulator on this machine
	tests/emulator/with-ministack $(EMULATOR) $(NEXTEST) nextest run --locked --features aws \
	  -E 'test(/^adapters::aws/)'

check: $(DENY) ## Check the format, the lints, the dependencies and the documentation
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo clippy --all-targets --features aws --locked -- -D warnings
	cargo clippy --lib --no-default-features --locked -- -D warnings
	cargo clippy --lib --no-default-features --features aws --locked -- -D warnings
	cargo fetch --locked
	$(DENY) --locked --offline check --hide-inclusion-graph bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --features aws

fmt: ## Format the code
	cargo fmt

doc: ## Build the documentation into target/doc
	cargo doc --no-deps --locked

bless: $(NEXTEST) ## Write docs/receiver-checks.md anew from the tests
	WARDEN_BLESS=1 $(NEXTEST) nextest run --locked -E 'test(the_page_says_what_the_tests_do)'

# The emulator is taken anew when its list of versions has changed.
$(EMULATOR)/installed: tests/emulator/requirements.txt
	python3 -m venv $(EMULATOR)
	$(EMULATOR)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

.tools/bin/cargo-nextest:
	cargo install --locked --root .tools --version 0.9.143 cargo-nextest

.tools/bin/cargo-deny:
	cargo install --locked --root .tools --version 0.20.2 cargo-deny
