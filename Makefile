# Targets only: each is a command one could type.
#
# A Rust toolchain, make and a C compiler are enough; `test-aws` needs Python 3.10 or later besides.
# cargo-nextest and cargo-deny are taken from the PATH, or else installed once under .tools, where
# the emulator of AWS is too.

NEXTEST := $(shell command -v cargo-nextest || echo .tools/bin/cargo-nextest)
DENY := $(shell command -v cargo-deny || echo .tools/bin/cargo-deny)

.PHONY: help demo test check fmt doc bless test-aws \
	lint-infra test-lambda build-lambda deploy invoke redrive logs destroy aws-demo

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run the demo against a simulated Microsoft 365, on this machine alone
	cargo run --locked -- demo

test: $(NEXTEST) ## Run all tests
	$(NEXTEST) nextest run --locked
	cargo test --doc --locked

test-aws: $(NEXTEST) .tools/emulator/done ## Run the tests of the AWS adapters, against an emulator on this machine
	tests/emulator/with-ministack .tools/emulator $(NEXTEST) nextest run --locked --features aws \
	  -E 'test(/^adapters::aws/)'

check: $(DENY) ## Check the format, the lints, the dependencies and the documentation
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo clippy --all-targets --features aws --locked -- -D warnings
	cargo clippy --lib --no-default-features --locked -- -D warnings
	cargo clippy --lib --bins --no-default-features --features aws --locked -- -D warnings
	cargo fetch --locked
	$(DENY) --locked --offline check --hide-inclusion-graph bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --features aws

fmt: ## Format the code
	cargo fmt

doc: ## Build the documentation into target/doc
	cargo doc --no-deps --locked

bless: $(NEXTEST) ## Write docs/receiver-checks.md anew from the tests
	WARDEN_BLESS=1 $(NEXTEST) nextest run --locked -E 'test(the_page_says_what_the_tests_do)'

# --- AWS: docs/aws.md

STACK ?= partner-warden
ARCH ?= arm64
PARAMETERS ?=
EVENT ?= events/audit/add-member-to-role.json
SAM := SAM_CLI_TELEMETRY=0 .tools/infra/bin/sam

lint-infra: .tools/infra/done .tools/checkov/done ## Check the template: cfn-lint, sam validate, checkov
	.tools/infra/bin/cfn-lint infra/template.yaml
	AWS_DEFAULT_REGION=eu-west-1 AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none \
		$(SAM) validate --lint --template-file infra/template.yaml
	.tools/checkov/bin/checkov --config-file infra/checkov.yaml

test-lambda: $(NEXTEST) .tools/emulator/done ## Deploy the template to an emulator and test it there
	cargo build --locked --features aws --bins
	python3 infra/pack.py target/debug target/functions --quick
	$(NEXTEST) nextest run --locked --features aws -E 'binary(it) and test(/\baws::/)'

build-lambda: ## Build the functions for AWS, for ARCH=arm64 or x86_64
	infra/build.sh $(ARCH)
	python3 infra/pack.py target/functions/$(ARCH) target/functions

deploy: build-lambda .tools/infra/done ## Put the stack into your AWS account; asks if PARAMETERS is empty
	$(SAM) deploy --template-file infra/template.yaml --stack-name $(STACK) --resolve-s3 \
		--capabilities CAPABILITY_IAM --no-fail-on-empty-changeset \
		$(if $(PARAMETERS),--parameter-overrides Architecture=$(ARCH) $(PARAMETERS),--guided)

invoke: .tools/infra/done ## Send EVENT, a file of events/, to the stack as its sender would
	.tools/infra/bin/python infra/stack.py $(STACK) invoke $(EVENT) $(if $(TENANT),--tenant $(TENANT))

redrive: .tools/infra/done ## Put the dead letters back into the work queue
	.tools/infra/bin/python infra/stack.py $(STACK) redrive

logs: .tools/infra/done ## Follow the functions' logs
	$(SAM) logs --stack-name $(STACK) --tail

destroy: .tools/infra/done ## Take the stack away again; its table stays
	$(SAM) delete --stack-name $(STACK) --no-prompts

aws-demo: .tools/emulator/done .tools/infra/done ## Deploy to an emulator on this machine and leave it up to try things on
	cargo build --locked --features aws --bins
	python3 infra/pack.py target/debug target/functions --quick
	infra/demo.sh

.tools/infra/done: infra/requirements.txt
.tools/checkov/done: infra/requirements-checkov.txt
.tools/emulator/done: infra/requirements-emulator.txt
.tools/cross/done: infra/requirements-cross.txt

.tools/%/done:
	python3 -m venv .tools/$*
	.tools/$*/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

.tools/bin/cargo-nextest:
	cargo install --locked --root .tools --version 0.9.143 cargo-nextest

.tools/bin/cargo-deny:
	cargo install --locked --root .tools --version 0.20.2 cargo-deny
