#!/usr/bin/env bash
# Keeps what a study found: copies its records from OUT to docs/results/PLAN and makes their report there, results.md
# and figures. `nfcot study run -o docs/results/PLAN scripts/PLAN.yaml` goes on from them.
#
#   scripts/keep_results.sh OUT PLAN      PLAN is the name of a plan in scripts, without .yaml
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$1 plan=$2
nfcot=${NFCOT:-$root/nfcot}
kept=$root/docs/results/$plan
"$nfcot" study records -o "$out" --to "$kept" "$root/scripts/$plan.yaml"
rm -rf "$kept/report"
"$nfcot" study report -o "$kept" "$root/scripts/$plan.yaml" >/dev/null
rm -f "$kept"/report/*.png "$kept"/report/index.html
