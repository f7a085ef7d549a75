#!/usr/bin/env bash
# Kills training, reinforcement, sampling, evaluation and distillation, and wants the same
# command or --resume to go on or to begin anew, to the same bytes, and to leave no litter.
#
#     scripts/kills.sh
#
# There are KILLS (100) kills at random moments, and one before every EVERY-th (1: each) change
# to a file that a short run of each command makes; the latter on linux/amd64 alone. NFCOT is
# the program, built anew unless it is given; SEED (1) chooses the moments.
set -euo pipefail
cd "$(dirname "$0")/.."
KILLS=${KILLS:-100} EVERY=${EVERY:-1} RANDOM=${SEED:-1}
export CGO_ENABLED=0 GOFLAGS=${GOFLAGS:--buildvcs=false}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nfcot=${NFCOT:-$work/nfcot}
[ -n "${NFCOT:-}" ] || go build -o "$nfcot" .
[ "$(go env GOOS)/$(go env GOARCH)" != linux/amd64 ] || go build -o "$work/killat" ./scripts/killat
cd "$work"

# What the commands start from.
tiny='--set model.hidden=16 --set model.heads=1 --set model.kv_heads=1 --set model.head_dim=16 --set model.ffn=16 --set model.layers=1
	--set flow.blocks=2 --set flow.width=16 --set flow.head_dim=16 --set batch=4 --set held_out=8'
"$nfcot" data --split train -n 60 -o train.jsonl
"$nfcot" data --split test -n 4 -o test.jsonl
"$nfcot" tokenize train --in train.jsonl -o tokenizer --quiet
"$nfcot" distill --data train.jsonl --tokenizer tokenizer --dims 4 --hidden 16 --heads 1 --layers 1 --steps 3 --batch 4 -o thoughts --quiet
"$nfcot" train --method nfcot --thoughts thoughts $tiny --set stages.joint.steps=2 -o init --quiet
"$nfcot" sample --model init --bench test.jsonl -n 4 --max-tokens 12 -o given.jsonl --quiet

# A command writes out/NAME. LONG is 1 for a run that takes a while, and empty for one of few steps.
command_of() {
	case $1 in
	train) echo "train --quiet --method nfcot --thoughts thoughts $tiny --set stages.joint.steps=${LONG:+4}8 --set stages.flow.steps=0 --set save_every=${LONG:+1}3 -o out/train" ;;
	rl) echo "rl --quiet --init init --set rl.steps=${LONG:+1}2 --set rl.prompts=2 --set rl.group=4 --set rl.problems=8 --set rl.max_tokens=12 --set save_every=${LONG:+4}1 -o out/rl" ;;
	sample) echo "sample --quiet --model init --bench test.jsonl -n ${LONG:+6}4 --max-tokens 40 -o out/sample" ;;
	eval) echo "eval --quiet --bench test.jsonl --samples given.jsonl -k 1,4 -o out/eval" ;;
	distill) echo "distill --quiet --data train.jsonl --tokenizer tokenizer --dims 4 --hidden 16 --heads 1 --layers 1 --steps ${LONG:+6}4 --batch 4 -o out/distill" ;;
	esac
}

# run CWD NAME ARGS... runs a command of the program where out/ is that of CWD.
run() {
	local dir=$1 name=$2
	shift 2
	rm -f out
	ln -s "$dir" out
	"$@" "$nfcot" $(command_of "$name") >log 2>&1 </dev/null
}

# contents DIR prints all that a command left, but for what was measured.
contents() {
	(cd "$1" && find . -mindepth 1 -not -name 'events.out.tfevents.*' | sort && find . -type f -not -name 'events.out.tfevents.*' | sort |
		xargs sed -E 's/"(seconds|think_seconds|answer_seconds|tokens_per_second|peak_memory_bytes)": ?[^,}]*//g' | sum)
}

resumed=0 anew=0 complete=0
# continued NAME WHERE wants a killed command to end as one that was not disturbed.
continued() {
	local name=$1 where=$2 kind
	if run killed "$name" env; then
		kind=anew
	elif grep -q 'begins anew\|not empty' log && { [ "$name" = train ] || [ "$name" = rl ]; }; then
		if "$nfcot" "$name" --quiet --resume -o "out/$name" >log 2>&1; then
			kind=resumed
		elif grep -q 'the run is complete' log; then
			kind=complete
		else
			kind=
		fi
	else
		kind=
	fi
	if [ -z "$kind" ]; then
		printf 'FAILED: %s, killed %s: nothing goes on with it: %s\n' "$name" "$where" "$(cat log)"
		ls -lAR killed
		exit 1
	fi
	if ! diff <(contents "whole$LONG-$name") <(contents killed) >log; then
		printf 'FAILED: %s, killed %s and %s: another end than without\n' "$name" "$where" "$kind"
		cat log
		exit 1
	fi
	eval "$kind=\$(($kind + 1))"
}

fresh() {
	rm -rf killed
	mkdir killed
}

commands=(train rl sample eval distill)
if [ -x killat ]; then
	LONG=
	for name in "${commands[@]}"; do
		mkdir "whole-$name" counted-"$name"
		run "whole-$name" "$name" env || { cat log; exit 1; }
		run "counted-$name" "$name" ./killat 0 "counted-$name" || { cat log; exit 1; }
		calls=$(tail -n 1 log)
		kills=0
		for ((n = 1 + RANDOM % (EVERY < calls ? EVERY : calls); n <= calls; n += EVERY)); do
			fresh
			run killed "$name" ./killat "$n" killed || [ $? -eq 137 ]
			continued "$name" "before change $n of $calls ($(tail -n 1 log))"
			kills=$((kills + 1))
		done
		printf '%s: killed before %d of %d changes to files\n' "$name" $kills "$calls"
	done
fi

LONG=1
declare -A took
for name in "${commands[@]}"; do
	mkdir "whole1-$name"
	start=$(date +%s%N)
	run "whole1-$name" "$name" env || { cat log; exit 1; }
	took[$name]=$((($(date +%s%N) - start) / 1000))
done
for ((i = 0; i < KILLS; i++)); do
	name=${commands[i % ${#commands[@]}]}
	fresh
	moment=$((took[$name] * (RANDOM % 1000) / 1000))
	{ run killed "$name" timeout -s KILL "$(printf '%d.%06d' $((moment / 1000000)) $((moment % 1000000)))" || true; } 2>/dev/null
	continued "$name" "after $moment of ${took[$name]} µs"
done
printf 'killed at %d random moments\n' "$KILLS"
printf 'all ended as if undisturbed: %d went on with --resume, %d by the same command, %d were complete\n' "$resumed" "$anew" "$complete"
