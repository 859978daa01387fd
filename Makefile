# Targets only: each is a command one could type.
#
# A Rust toolchain, make and a C compiler are enough; `test-aws` needs Python 3.10 or later besides.
# cargo-nextest, cargo-deny, cargo-fuzz and cargo-mutants are taken from the PATH, or else installed
# once under .tools, where the emulator of AWS is too.

NEXTEST := $(shell command -v cargo-nextest || echo .tools/bin/cargo-nextest)
DENY := $(shell command -v cargo-deny || echo .tools/bin/cargo-deny)
FUZZ := $(shell command -v cargo-fuzz || echo .tools/bin/cargo-fuzz)
MUTANTS := $(shell command -v cargo-mutants || echo .tools/bin/cargo-mutants)

# How long each fuzz target runs; FUZZ_TARGETS="audit graph" runs some of them.
FUZZ_SECONDS ?= 10
FUZZ_TARGETS ?= $(shell $(FUZZ) list)

# Which files `make mutants` breaks, as globs: whatever decides what is taken from whom.
MUTATE ?= $(foreach part,plan approval proof restore stop,src/domain/$(part).rs src/domain/$(part)/**)

.PHONY: help demo test check fmt doc bless fuzz fuzz-lock mutants test-forwarders forwarder-tools test-aws \
	bench-findings lint-infra test-report picture chromium test-lambda measure-aws bench-start \
	build-lambda deploy invoke redrive logs destroy aws-demo

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run the demo against a simulated Microsoft 365, on this machine alone
	cargo run --locked -- demo

test: $(NEXTEST) ## Run all tests
	$(NEXTEST) nextest run --locked
	cargo test --doc --locked

test-aws: $(NEXTEST) .tools/emulator/done ## Run the tests of the AWS adapters, against an emulator on this machine
	tests/emulator/with-ministack .tools/emulator $(NEXTEST) nextest run --locked --features aws \
	  -E 'test(/^adapters::aws/)'

bench-findings: ## Measure what judging costs for each grant, with up to a million; fails if it grows with them
	cargo bench --locked --no-default-features --bench findings

check: $(DENY) ## Check the format, the lints, the dependencies and the documentation
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --all-targets --locked -- -D warnings
	cargo clippy --all-targets --features aws --locked -- -D warnings
	cargo clippy --lib --no-default-features --locked -- -D warnings
	cargo clippy --lib --bins --no-default-features --features aws --locked -- -D warnings
	cargo fetch --locked
	$(DENY) --locked --offline check --hide-inclusion-graph bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --features aws

fmt: ## Format the code
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml

doc: ## Build the documentation into target/doc
	cargo doc --no-deps --locked

bless: $(NEXTEST) ## Write docs/receiver-checks.md and policy/policy.schema.json anew
	WARDEN_BLESS=1 $(NEXTEST) nextest run --locked \
	  -E 'test(the_page_says_what_the_tests_do) or test(the_published_schema_is_that_of_the_types)'

# Without a sanitizer, which needs an unstable compiler: there is no unsafe code of ours to watch.
fuzz: $(FUZZ) ## Throw bytes at the receivers, FUZZ_SECONDS=10 for each fuzz target
	@cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null \
		|| { echo 'fuzz/Cargo.lock lags behind: run make fuzz-lock and commit it'; exit 1; }
	$(FUZZ) build --sanitizer none --codegen-units 16
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target; \
		printf '\n== %s\n' "$$target"; \
		$(FUZZ) run --sanitizer none --codegen-units 16 $$target \
			fuzz/corpus/$$target events $$(ls -d fuzz/seeds/$$target 2>/dev/null) \
			-- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
			-dict=fuzz/words.dict -print_final_stats=1 -verbosity=0 $(FUZZ_ARGS) || exit 1; \
	done

fuzz-lock: ## Give the fuzz targets the versions of Cargo.lock
	cp Cargo.lock fuzz/Cargo.lock
	cargo metadata --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null

# In a copy, since it is the copy that gets broken. It holds what decides and its tests, and nothing
# they do not need, so that a mutant takes seconds. The files are new each time, so that nothing an
# interrupted run had built is taken for theirs. MUTANTS_ARGS=--iterate tries only what no test
# caught before.
mutants: $(MUTANTS) ## Break what decides in every small way and see tests fail; MUTATE="src/domain/plan/guard/**"
	rm -rf $(addprefix target/mutants/,src policy docs)
	mkdir -p $(addprefix target/mutants/,src policy docs)
	cp -R src/domain.rs src/domain tests/mutants/lib.rs target/mutants/src
	cp policy/example.yaml target/mutants/policy
	cp docs/sign-in.md target/mutants/docs
	cp tests/mutants/Cargo.toml Cargo.lock target/mutants
	cd target/mutants && INSTA_UPDATE=no INSTA_WORKSPACE_ROOT=$(CURDIR)/target/mutants \
		$(abspath $(MUTANTS)) mutants --in-place --timeout 60 \
		--config $(CURDIR)/tests/mutants/mutants.toml \
		$(foreach glob,$(MUTATE),--file '$(glob)') $(MUTANTS_ARGS)

FORWARDER := infra/forwarders/event-hub-function

test-forwarders: forwarder-tools $(FORWARDER)/node_modules/.package-lock.json ## Run the forwarders of docs/forwarders.md against Partner Warden
	cargo build --locked
	node --test infra/forwarders/tests/

$(FORWARDER)/node_modules/.package-lock.json: $(FORWARDER)/package-lock.json | forwarder-tools
	npm ci --prefix $(FORWARDER) --no-audit --no-fund
	@touch $@

forwarder-tools:
	@for tool in node npm bash curl openssl; do command -v $$tool >/dev/null \
		|| { echo "make test-forwarders needs $$tool, which is not on the PATH"; exit 1; }; done
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' \
		|| { echo "make test-forwarders needs Node.js 20 or later; this is $$(node --version)"; exit 1; }

test-report: chromium tests/report/node_modules/.package-lock.json ## Look at the HTML report of a scan in a browser
	cargo build --locked
	node --test tests/report/

picture: chromium tests/report/node_modules/.package-lock.json ## Take docs/report.png anew from the HTML report
	cargo build --locked
	PICTURE=docs/report.png node --test tests/report/

tests/report/node_modules/.package-lock.json: tests/report/package-lock.json
	npm ci --prefix tests/report --no-audit --no-fund
	@touch $@

chromium:
	@for tool in node npm; do command -v $$tool >/dev/null \
		|| { echo "make test-report needs $$tool, which is not on the PATH"; exit 1; }; done
	@test -n "$$CHROME" || command -v chromium google-chrome >/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update \
		&& apt-get install -y --no-install-recommends chromium fonts-dejavu-core; } \
		|| { echo 'no Chromium: put chromium or google-chrome on the PATH, or set CHROME'; exit 1; }

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
	cargo bench --locked --profile dev --features aws --bench start -- --quick --binaries target/debug
	AUTH=true MINISTACK_REGION=us-east-1 tests/emulator/with-ministack .tools/emulator \
	  $(NEXTEST) nextest run --locked --features aws -E 'binary(it) and test(/\baws::/)' --no-fail-fast

measure-aws: $(NEXTEST) .tools/emulator/done ## Measure what looks and sweeps ask of AWS, against an emulator: the figures of docs/aws.md
	cargo build --locked --features aws --bins
	python3 infra/pack.py target/debug target/functions --quick
	AUTH=true MINISTACK_REGION=us-east-1 tests/emulator/with-ministack .tools/emulator \
	  $(NEXTEST) nextest run --locked --features aws --no-capture -E 'test(/\baws::measure::/)'

MACHINE := $(subst aarch64,arm64,$(shell uname -m))

bench-start: .tools/infra/done ## Measure how the functions start, beside a bare hello; START="--runs 100"
	infra/build.sh $(MACHINE) hello
	python3 infra/pack.py target/functions/$(MACHINE) target/start hello
	cargo bench --locked --profile dev --features aws --bench start -- \
		--binaries target/functions/$(MACHINE) --zips target/start $(START)

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

.tools/bin/cargo-fuzz:
	cargo install --locked --root .tools --version 0.13.2 cargo-fuzz

.tools/bin/cargo-mutants:
	cargo install --locked --root .tools --version 27.0.0 cargo-mutants
