#!/usr/bin/env bash
# The paper in miniature: every method, reinforcement, ablations, probes and costs on
# the embedded benchmark, from nothing to OUT/report/index.html and OUT/report/results.md.
#
#   scripts/reproduce.sh [--quick] [OUT]      OUT defaults to ./study
#
# What is done already is not done again, and an interrupted run is continued: call it
# again after any interruption. Results do not depend on JOBS. Settings, as variables:
#   SEEDS      seeds of methods                           1 2 3 4 5
#   RL_SEEDS   those of them for reinforcement            the first three
#   ABLATIONS  those of them for ablations and curves     the first
#   BUDGET     FLOPs of the backbone for each training    9e12
#   JOBS       things done at a time, a core each         2
#   PARTS      some of: methods rl probes ablations curve cost report, and docs, which
#              puts results.md and its figures into the project's docs folder
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
quick=
if [ "${1:-}" = --quick ]; then
	quick=1
	shift
fi
task=
if [ "${1:-}" = --task ]; then
	task=1
	out=$2
	shift 2
else
	out=${1:-study}
	mkdir -p "$out"
	out=$(cd "$out" && pwd)
fi

if [ "$quick" ]; then
	: "${SEEDS:=1}" "${BUDGET:=6e11}" "${EXAMPLES:=4000}" "${VAE_STEPS:=200}" "${PROBLEMS:=50}" "${RL_STEPS:=10}" "${SAMPLES:=8}" "${MANY:=16}"
else
	: "${SEEDS:=1 2 3 4 5}" "${BUDGET:=9e12}" "${EXAMPLES:=16000}" "${VAE_STEPS:=600}" "${PROBLEMS:=200}" "${RL_STEPS:=120}" "${SAMPLES:=16}" "${MANY:=64}"
fi
: "${RL_SEEDS:=$(cut -d" " -f1-3 <<<"$SEEDS")}" "${ABLATIONS:=${SEEDS%% *}}" "${JOBS:=2}" "${PARTS:=methods rl probes ablations curve cost report}" "${BENCH:=minicode:fold,shuffle,trace:medium}"
export SEEDS RL_SEEDS BUDGET EXAMPLES VAE_STEPS PROBLEMS RL_STEPS SAMPLES MANY ABLATIONS JOBS PARTS BENCH

nfcot=${NFCOT:-$out/nfcot}
if [ -z "${NFCOT:-}" ]; then
	(cd "$root" && CGO_ENABLED=0 go build -o "$nfcot" .)
	export NFCOT=$nfcot
fi

# All methods have the same backbone, but that methods in words have a wider
# feed-forward layer: as many parameters as proj_in and the head add to the others.
backbone="--set model.hidden=96 --set model.heads=3 --set model.kv_heads=3 --set batch=16 --set stages.2.lr=0.003 --set eval_every=500"
in_words="--set model.ffn=240"
in_codes="--set model.ffn=192 --set nf.mlp=128 --set flow.blocks=0"

# note PART NAME METHOD SEED KEY VALUE... adds an entry to the study, but not while
# several things are done at a time: see tasks.
note() {
	[ -z "$task" ] || return 0
	local part=$1 name=$2 method=$3 seed=$4 line
	shift 4
	line="{\"part\":\"$part\",\"name\":\"$name\",\"method\":\"$method\",\"seed\":$seed"
	while [ $# -gt 0 ]; do
		line+=",\"$1\":\"$2\""
		shift 2
	done
	line+="}"
	touch "$out/study.jsonl"
	grep -qxF "$line" "$out/study.jsonl" || printf '%s\n' "$line" >>"$out/study.jsonl"
}

# settings METHOD are those that a method has beside its steps.
settings() {
	case $1 in
	direct | cot | coconut) echo "$backbone $in_words" ;;
	nfcot | nfcot-dual) echo "$backbone $in_codes --set nf.components=2" ;;
	*) echo "$backbone $in_codes" ;;
	esac
}

# steps METHOD SETTING... is how many steps of stage 2 the budget is enough for, from
# what a short run takes. It is the same whenever it is asked for.
steps() {
	local dir=$out/steps/$1
	local method=$1
	shift
	dir+=$(printf '%s' "$*" | cksum | cut -d' ' -f1)
	if [ ! -f "$dir/model.safetensors" ]; then
		rm -rf "$dir"
		mkdir -p "$out/steps"
		# shellcheck disable=SC2086,SC2046
		"$nfcot" train --quiet --threads 1 --method "$method" --thoughts "$out/seed${SEEDS%% *}/thoughts" $(settings "$method") "$@" \
			--set eval_every=0 --set stages.2.steps=60 -o "$dir" >&2
	fi
	awk -v budget="$BUDGET" '{ match($0, /"backbone_flops":[0-9.e+]+/); sum += substr($0, RSTART + 17, RLENGTH - 17); n++ }
		END { s = budget / (sum / n); printf "%d\n", s < 20 ? 20 : int(s / 10) * 10 }' "$dir/metrics.jsonl"
}

# trained DIR METHOD THOUGHTS SEED FLAG... trains a run, unless it is there.
trained() {
	local dir=$1 method=$2 thoughts=$3 seed=$4
	shift 4
	if [ -d "$dir/state" ]; then
		"$nfcot" train --quiet --threads 1 --resume -o "$dir"
	elif [ ! -f "$dir/model.safetensors" ]; then
		rm -rf "$dir"
		# shellcheck disable=SC2046
		"$nfcot" train --quiet --threads 1 --method "$method" --thoughts "$thoughts" $(settings "$method") --set "seed=$seed" "$@" -o "$dir"
	fi
}

# evaluated DIR RUN SEED SAMPLES FLAG... judges a run on the test problems, unless that is done.
evaluated() {
	local dir=$1 run=$2 seed=$3 n=$4 k=1
	shift 4
	while [ $((${k##*,} * 2)) -le "$n" ]; do
		k+=,$((${k##*,} * 2))
	done
	[ -f "$dir/report.json" ] || "$nfcot" eval --quiet --threads 1 --workers 1 --bench "$out/seed$seed/test.jsonl" --model "$run" --seed "$seed" \
		-n "$n" -k "$k" "$@" -o "$dir" >/dev/null
}

# draws METHOD are the flags by which a method is sampled: thoughts without the noise
# they were learnt with, and closer to their means than the default.
draws() {
	case $1 in
	nfcot | nfcot-dual) echo --denoise --thought-temp 0.3 ;;
	esac
}

# The tasks: each is a line of words for xargs, done in the order of their needs.

prepare() { # SEED
	local d=$out/seed$1
	mkdir -p "$d"
	[ -f "$d/train.jsonl" ] || "$nfcot" data --quiet --bench "$BENCH" --split train -n "$EXAMPLES" --seed "$1" -o "$d/train.jsonl"
	[ -f "$d/test.jsonl" ] || "$nfcot" data --quiet --bench "$BENCH" --split test -n "$PROBLEMS" --seed "$1" -o "$d/test.jsonl"
	[ -d "$d/tokenizer" ] || "$nfcot" tokenize train --quiet --in "$d/train.jsonl" -o "$d/tokenizer"
	thoughts "$1" thoughts
}

thoughts() { # SEED NAME FLAG...: a thoughts folder of its own
	local d=$out/seed$1 name=$2 seed=$1
	shift 2
	[ -d "$d/$name" ] || "$nfcot" distill --quiet --threads 1 --data "$d/train.jsonl" --tokenizer "$d/tokenizer" --dims 64 --steps "$VAE_STEPS" --seed "$seed" "$@" -o "$d/$name"
}

method() { # SEED METHOD LABEL
	local d=seed$1
	local n
	n=$(steps "$2")
	trained "$out/$d/$2" "$2" "$out/$d/thoughts" "$1" --set "stages.2.steps=$n"
	# shellcheck disable=SC2046
	evaluated "$out/$d/eval-$2" "$out/$d/$2" "$1" "$SAMPLES" $(draws "$2")
	note methods "${3//_/ }" "$2" "$1" run "$d/$2" eval "$d/eval-$2"
}

rule() { # SEED OF NAME LABEL FLAG...: another way of sampling from a method's run
	local d=seed$1 of=$2 name=$3 label=$4 seed=$1
	shift 4
	evaluated "$out/$d/eval-$name" "$out/$d/$of" "$seed" "$SAMPLES" "$@"
	note methods "${label//_/ }" "$name" "$seed" run "$d/$of" eval "$d/eval-$name"
}

reinforce() { # SEED METHOD LABEL
	local d=$out/seed$1
	if [ -d "$d/$2-rl/state" ]; then
		"$nfcot" rl --quiet --threads 1 --workers 1 --resume -o "$d/$2-rl"
	elif [ ! -f "$d/$2-rl/model.safetensors" ]; then
		rm -rf "$d/$2-rl"
		"$nfcot" rl --quiet --threads 1 --workers 1 --init "$d/$2" --bench "$BENCH" --set "rl.steps=$RL_STEPS" --set "seed=$1" -o "$d/$2-rl"
	fi
	for run in "$2" "$2-rl"; do
		evaluated "$d/eval-many-$run" "$d/$run" "$1" "$MANY"
	done
	note before "${3//_/ }" "$2" "$1" run "seed$1/$2" eval "seed$1/eval-many-$2"
	note rl "${3//_/ } + RL" "$2" "$1" before "${3//_/ }" run "seed$1/$2-rl" eval "seed$1/eval-many-$2-rl"
}

perturb() { # SEED
	local d=$out/seed$1
	[ -f "$d/perturb.json" ] || "$nfcot" probe perturb --quiet --threads 1 --workers 1 --model "$d/nfcot" --bench "$d/test.jsonl" -n 4 --seed "$1" --scale 0,0.5,1,1.5,2,2.5,3 -o "$d/perturb.json" >/dev/null
	[ -f "$d/oracle.json" ] || "$nfcot" probe oracle --quiet --json --threads 1 --workers 1 --model "$d/nfcot" --bench "$d/test.jsonl" -n 4 --seed "$1" >"$d/oracle.json"
	note perturb NF-CoT nfcot "$1" probe "seed$1/perturb.json"
}

ablation() { # SEED NAME LABEL THOUGHTS FLAG...: nfcot with other settings, for the same budget
	local d=seed$1 name=$2 label=$3 codes=$4 seed=$1 n
	shift 4
	n=$(steps nfcot)
	trained "$out/$d/$name" nfcot "$out/$d/$codes" "$seed" --set "stages.2.steps=$n" "$@"
	local draw
	draw=$(draws nfcot)
	case $name in flow*) draw=${draw#--denoise } ;; esac # a flow leaves no noise to take away
	# shellcheck disable=SC2086
	evaluated "$out/$d/eval-$name" "$out/$d/$name" "$seed" "$SAMPLES" $draw
	note ablations "${label//_/ }" nfcot "$seed" ${BEFORE:+before "$BEFORE"} run "$d/$name" eval "$d/eval-$name"
}

late() { # SEED NAME LABEL FLAG...: a fifth of the steps with the flow free
	local n seed=$1 name=$2 label=$3
	shift 3
	n=$(steps nfcot)
	ablation "$seed" "$name" "$label" thoughts --set flow.blocks=5 --set "stages.2.steps=$((n * 4 / 5))" --set "stages.3.steps=$((n / 5))" "$@"
}

base() { # SEED: a backbone that has learnt text
	local d=$out/seed$1
	trained "$d/base" cot "$d/thoughts" "$1" --stage 0 --set model.ffn=192 --set "stages.0.steps=$(($(steps nfcot) / 5))"
}

warm() { # SEED NAME LABEL PERCENT: from that backbone, the heads first for a share of the steps
	local d=$out/seed$1 n heads
	n=$(steps nfcot)
	heads=$((n * $4 / 100))
	ablation "$1" "$2" "$3" thoughts --init "$d/base" --set "stages.1.steps=$heads" --set "stages.2.steps=$((n * 3 / 4 - heads / 3))"
}

cold() { # SEED: what the warm-up is worth
	BEFORE="from text: stages 1 and 2" warm "$1" cold from_text:_stage_1_left_out 0
}

temperature() { # SEED NAME LABEL FLAG...: other ways of drawing thoughts from the same run
	local d=seed$1 name=$2 label=$3 seed=$1
	shift 3
	evaluated "$out/$d/eval-$name" "$out/$d/nfcot" "$seed" "$SAMPLES" "$@"
	note ablations "${label//_/ }" nfcot "$seed" run "$d/nfcot" eval "$d/eval-$name"
}

curve() { # SEED METHOD LABEL PERCENT: a training of another length
	local d=seed$1 n name=$2
	n=$(($(steps "$2") * $4 / 100))
	[ "$4" = 100 ] || name+=-$4
	trained "$out/$d/$name" "$2" "$out/$d/thoughts" "$1" --set "stages.2.steps=$n"
	# shellcheck disable=SC2046
	evaluated "$out/$d/eval-$name" "$out/$d/$name" "$1" "$SAMPLES" $(draws "$2")
	note curve "${3//_/ }" "$2" "$1" x "training TFLOP" run "$d/$name" eval "$d/eval-$name"
}

cost() { # SEED METHOD LABEL: timed alone
	local d=$out/seed$1
	# shellcheck disable=SC2046
	[ -f "$d/cost-$2/report.json" ] || "$nfcot" eval --quiet --workers 1 --bench "$d/test.jsonl" --model "$d/$2" --seed "$1" -n "$SAMPLES" -k 1 $(draws "$2") -o "$d/cost-$2" >/dev/null
	note cost "${3//_/ }" "$2" "$1" run "seed$1/$2" eval "seed$1/cost-$2"
}

if [ "$task" ]; then
	"$@"
	exit
fi

# tasks does the lines of its input, JOBS at a time, then once more in their order: all
# is done by then, and is noted in an order that does not depend on what took how long.
tasks() {
	local lines line
	lines=$(cat)
	xargs -P "$JOBS" -d '\n' -I{} bash -c 'set -- $1; echo "$(date +%T) $*" >&2; exec bash "$0" ${QUICK:+--quick} --task "$OUT" "$@"' "$0" {} <<<"$lines"
	while read -r line; do
		# shellcheck disable=SC2086
		$line </dev/null
	done <<<"$lines"
}
export OUT=$out QUICK=$quick
has() { case " $PARTS " in *" $1 "*) ;; *) false ;; esac; }
each() { # SEEDS LINE: the line for each seed, S being the seed
	for s in $1; do printf '%s\n' "${2//S /$s }"; done
}

first=${SEEDS%% *}
each "$SEEDS" "prepare S " | tasks
if has methods; then
	for m in direct cot nfcot nfcot-dual lavae ladir coconut; do
		steps $m >/dev/null
	done
	for line in "nfcot NF-CoT" "cot explicit_CoT" "lavae LaVAE" "ladir LaDiR" "coconut Coconut" "nfcot-dual NF-CoT,_dual-path" "direct direct"; do
		each "$SEEDS" "method S $line"
	done | tasks
	for line in "cot softthinking Soft_Thinking --thinking soft" "cot softthinking-gumbel Soft_Thinking,_Gumbel --thinking gumbel" "nfcot nfcot-mean NF-CoT,_likeliest_thoughts --thought-temp 0"; do
		each "$SEEDS" "rule S $line"
	done | tasks
fi
if has rl; then
	for line in "cot explicit_CoT" "nfcot NF-CoT"; do
		each "$RL_SEEDS" "reinforce S $line"
	done | tasks
fi
if has probes; then
	each "$SEEDS" "perturb S " | tasks
fi
if has ablations; then
	each "$ABLATIONS" "thoughts S thoughts-local --encoder local" | tasks
	each "$ABLATIONS" "thoughts S thoughts-causal --encoder causal" | tasks
	each "$ABLATIONS" "thoughts S thoughts-full --encoder full" | tasks
	each "$ABLATIONS" "thoughts S thoughts-even --segments even" | tasks
	each "$ABLATIONS" "thoughts S thoughts-32 --dims 32" | tasks
	each "$ABLATIONS" "thoughts S thoughts-128 --dims 128" | tasks
	each "$ABLATIONS" "base S " | tasks
	for line in "ablation S one one_Gaussian thoughts --set nf.components=1" "ablation S linear linear_head_and_input thoughts --set nf.mlp=0" "ablation S likelihood likelihood_alone,_no_mean_guidance thoughts --set nf.mean_weight=0" \
		"ablation S noise1 noise_0.1 thoughts --set nf.noise=0.1" "ablation S noise5 noise_0.5 thoughts --set nf.noise=0.5" \
		"ablation S local encoder:_local_transformer thoughts-local" "ablation S causal encoder:_causal_transformer thoughts-causal" \
		"ablation S full encoder:_full_transformer thoughts-full" "ablation S even even_segments thoughts-even" \
		"ablation S d32 D_=_32 thoughts-32" "ablation S d128 D_=_128 thoughts-128" \
		"ablation S flow-start flow_from_the_start thoughts --set flow.blocks=5 --set stages.2.hold_flow=false" \
		"late S flow-late flow_late" "late S flow-identity flow_late,_order_kept --set flow.permutation=identity" "late S flow-2 flow_late,_2_blocks --set flow.blocks=2" \
		"warm S warm from_text:_stages_1_and_2 10" "cold S " \
		"temperature S noisy temperature_0.9,_with_noise" "temperature S t0 temperature_0 --thought-temp 0" "temperature S t6 temperature_0.6 --denoise --thought-temp 0.6" "temperature S t9 temperature_0.9 --denoise --thought-temp 0.9"; do
		each "$ABLATIONS" "$line"
	done | tasks
fi
if has curve; then
	for line in "nfcot NF-CoT 50" "nfcot NF-CoT 100" "nfcot NF-CoT 200" "cot explicit_CoT 50" "cot explicit_CoT 100" "cot explicit_CoT 200"; do
		each "$ABLATIONS" "curve S $line"
	done | tasks
fi
if has cost; then
	for line in "nfcot NF-CoT" "nfcot-dual NF-CoT,_dual-path" "ladir LaDiR" "lavae LaVAE" "coconut Coconut" "cot explicit_CoT" "direct direct"; do
		each "$first" "cost S $line"
	done | JOBS=1 tasks
fi
if has report; then
	"$nfcot" report --study "$out" -o "$out/report"
fi
if has docs; then
	mkdir -p "$root/docs/figures"
	cp "$out"/report/*.svg "$root/docs/figures/"
	{
		head -n 1 "$out/report/results.md"
		printf '\nWhat `scripts/reproduce.sh` made, from nothing: `%s`, %s FLOPs a training, %s test problems x %s samples (%s in reinforcement\047s); seeds %s, of reinforcement %s, of ablations and budgets %s.\n' \
			"$BENCH" "$BUDGET" "$PROBLEMS" "$SAMPLES" "$MANY" "$SEEDS" "$RL_SEEDS" "$ABLATIONS"
		printf '[experiments.md](experiments.md) has how the setting was found and what the numbers say, [method.md](method.md) what they are numbers of.\n'
		tail -n +2 "$out/report/results.md" | sed 's|](\([a-z_]*\.svg\))|](figures/\1)|'
	} >"$root/docs/results.md"
fi
