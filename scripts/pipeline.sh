#!/bin/sh
# The demo's stages one by one, each by its own command, from an empty folder.
#
#   scripts/pipeline.sh [DIR]     DIR: where the files go; default: a folder that is removed at the end
#
#   SIZE=full       the sizes of "nfcot demo" (the default), or
#   SIZE=quick      those of "nfcot demo --quick"
#   SEED=1          random seed
#   COMPARE=DEMO    fail unless weights, samples, verdicts and reports are those of the demo in the
#                   folder DEMO, as scripts/sums.sh counts them
#   NFCOT=PROGRAM   default: one is built
set -eu

say() { printf '%s\n' "$*" >&2; }
die() { say "pipeline: $*"; exit 2; }

# run says what it runs.
run() {
	say "nfcot $*"
	"$nfcot" "$@"
}

root=$(cd "$(dirname "$0")/.." && pwd)
seed=${SEED:-1}
case ${SIZE:-full} in
full) distill='' direct='' cot='' continuous='' ;;
quick) distill='--steps 10' direct='--set stages.joint.steps=50' cot='--set stages.joint.steps=35' continuous='--set stages.joint.steps=40' ;;
*) die "SIZE is $SIZE; want full or quick" ;;
esac
if [ -n "${COMPARE:-}" ]; then
	COMPARE=$(cd "$COMPARE" && pwd) || die "COMPARE: there is no such folder"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -n "${NFCOT:-}" ]; then
	case $NFCOT in
	*/*) nfcot=$(cd "$(dirname "$NFCOT")" && pwd)/$(basename "$NFCOT") ;;
	*) nfcot=$(command -v "$NFCOT") || die "NFCOT: $NFCOT is not in the path" ;;
	esac
else
	nfcot=$scratch/nfcot
	CGO_ENABLED=0 go -C "$root" build -o "$nfcot" .
fi
dir=${1:-$scratch/files}
mkdir -p "$dir"
cd "$dir"
[ -z "$(ls -A)" ] || die "$dir is not empty"

run data --split train -n 4000 --seed "$seed" -o train.jsonl
run data --split test -n 200 --seed "$seed" -o test.jsonl
run tokenize train --in train.jsonl -o tokenizer
# The sizes are several words or none.
# shellcheck disable=SC2086
run distill --data train.jsonl --tokenizer tokenizer --seed "$seed" $distill -o thoughts
# shellcheck disable=SC2086
run train --method direct --thoughts thoughts --set "seed=$seed" $direct -o direct
# shellcheck disable=SC2086
run train --method cot --thoughts thoughts --set "seed=$seed" $cot -o cot
# shellcheck disable=SC2086
run train --method nfcot --thoughts thoughts --set "seed=$seed" $continuous -o nfcot
for method in direct cot nfcot; do
	run eval --bench test.jsonl --model "$method" -n 8 -k 1,8 --seed "$seed" -o "eval-$method"
done

if [ -n "${COMPARE:-}" ]; then
	"$root/scripts/sums.sh" . "$COMPARE"
fi
