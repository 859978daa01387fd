#!/usr/bin/env bash
# Builds the three functions for Lambda: build.sh arm64|x86_64 [OTHER…]. They come to
# target/functions/ARCH, and so do other binaries.
#
# For this machine's own processor cargo does it. For the other one cargo-lambda does, with zig for
# a linker; what that needs of Rust is the processor's standard library, which rustup adds. RUSTC
# names another compiler that has it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

arch=${1:?arm64 or x86_64}
case $arch in
    arm64) machine=aarch64 ;;
    x86_64) machine=x86_64 ;;
    *) printf '%s: say arm64 or x86_64\n' "$arch" >&2; exit 2 ;;
esac
target=$machine-unknown-linux-gnu
options=(--locked --profile lambda --no-default-features --features aws)
functions=(ingest worker sweep "${@:2}")
to=target/functions/$arch
mkdir -p "$to"

if [[ $(uname -m) == "$machine" ]]; then
    cargo build "${options[@]}" "${functions[@]/#/--bin=}"
    for function in "${functions[@]}"; do
        cp "target/lambda/$function" "$to/$function"
    done
else
    libraries=$("${RUSTC:-rustc}" --print sysroot)/lib/rustlib
    if ! [[ -d $libraries/$target ]] && ! { [[ -z ${RUSTC:-} ]] && rustup target add "$target"; }
    then
        printf 'Rust has no standard library for %s here, and rustup did not add %s:\n' \
            "$arch" "$target" >&2
        printf 'install it, or name a compiler that has it: RUSTC=… make build-lambda ARCH=%s\n' \
            "$arch" >&2
        printf 'or build for this machine: make build-lambda ARCH=%s\n' "$(uname -m)" >&2
        exit 1
    fi
    make .tools/cross/done
    PATH="$PWD/.tools/cross/bin:$PATH" cargo lambda build "${options[@]}" \
        "${functions[@]/#/--bin=}" --target "$target.2.34" --lambda-dir "$to/built"
    for function in "${functions[@]}"; do
        mv "$to/built/$function/bootstrap" "$to/$function"
    done
fi

# Amazon Linux 2023 has glibc 2.34. What asks for more would not start there.
for function in "${functions[@]}"; do
    newest=$(grep -aoE 'GLIBC_2\.[0-9]+' "$to/$function" | sort -uV | tail -1)
    if [[ $(printf '%s\nGLIBC_2.34\n' "$newest" | sort -V | tail -1) != GLIBC_2.34 ]]; then
        printf '%s asks for %s, and Lambda has GLIBC_2.34\n' "$function" "$newest" >&2
        exit 1
    fi
done
