#!/usr/bin/env bash
# The paper in miniature, from nothing to OUT/report/index.html and OUT/report/results.md: scripts/study.yaml, or with
# --quick scripts/study-quick.yaml. Call it again after any interruption. JOBS entries are done at a time.
#
#   scripts/reproduce.sh [--quick] [OUT]      OUT defaults to ./study
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
plan=study
if [ "${1:-}" = --quick ]; then plan=study-quick && shift; fi
out=${1:-study}
nfcot=${NFCOT:-$out/nfcot}
[ -n "${NFCOT:-}" ] || CGO_ENABLED=0 go build -C "$root" -o "$(realpath -m "$nfcot")" .
"$nfcot" study run --jobs "${JOBS:-2}" -o "$out" "$root/scripts/$plan.yaml"
