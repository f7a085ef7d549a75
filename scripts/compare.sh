#!/usr/bin/env bash
# Explicit CoT against NF-CoT at equal training compute on a part of the
# embedded benchmark: the runs behind docs/experiments.md.
#
#   scripts/compare.sh OUT            three seeds of minicode:all (easy)
#   BENCH=minicode:all:medium COT_STEPS=2200 NF_STEPS=3200 SEEDS="1" scripts/compare.sh OUT
#
# Each method is scored on 200 test problems x 8 samples. What is done already is
# not done again; an interrupted run is continued.
set -euo pipefail

out=${1:?usage: scripts/compare.sh OUT}
bench=${BENCH:-minicode:all}
seeds=${SEEDS:-1 2 3}
cot_steps=${COT_STEPS:-2000}
nf_steps=${NF_STEPS:-3200}
vae_steps=${VAE_STEPS:-600}
direct_steps=${DIRECT_STEPS:-3000}
examples=${EXAMPLES:-16000}
dims=${DIMS:-64}
nf_sets=${NF_SETS:-}
root=$(cd "$(dirname "$0")/.." && pwd)
nfcot=${NFCOT:-}
if [ -z "$nfcot" ]; then
  mkdir -p "$out"
  (cd "$root" && CGO_ENABLED=0 go build -o nfcot .)
  nfcot=$root/nfcot
fi

model="--set model.hidden=96 --set model.heads=3 --set model.kv_heads=3 --set model.ffn=192 --set batch=16 --set stages.joint.lr=0.003"
for seed in $seeds; do
  d=$out/seed$seed
  mkdir -p "$d"
  [ -f "$d/train.jsonl" ] || "$nfcot" data --bench "$bench" --split train -n "$examples" --seed "$seed" -o "$d/train.jsonl"
  [ -f "$d/test.jsonl" ] || "$nfcot" data --bench "$bench" --split test -n 200 --seed "$seed" -o "$d/test.jsonl"
  [ -d "$d/tokenizer" ] || "$nfcot" tokenize train --in "$d/train.jsonl" -o "$d/tokenizer"
  [ -d "$d/thoughts" ] || "$nfcot" distill --data "$d/train.jsonl" --tokenizer "$d/tokenizer" --dims "$dims" --steps "$vae_steps" --seed "$seed" -o "$d/thoughts"
  run() { # name method steps settings...
    local name=$1 method=$2 steps=$3
    shift 3
    if [ -d "$d/$name/state" ]; then
      "$nfcot" train --resume -o "$d/$name"
    elif [ ! -f "$d/$name/model.safetensors" ]; then
      # shellcheck disable=SC2086
      "$nfcot" train --method "$method" --thoughts "$d/thoughts" $model --set seed="$seed" --set stages.joint.steps="$steps" "$@" -o "$d/$name"
    fi
    [ -f "$d/eval-$name/report.json" ] || "$nfcot" eval --bench "$d/test.jsonl" --model "$d/$name" --seed "$seed" -n 8 -k 1,8 -o "$d/eval-$name"
  }
  run direct direct "$direct_steps"
  run cot cot "$cot_steps"
  # shellcheck disable=SC2086
  run nfcot nfcot "$nf_steps" $nf_sets
done
