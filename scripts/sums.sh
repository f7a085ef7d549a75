#!/bin/sh
# What a demo, scripts/pipeline.sh or a study made, as sums that two versions of the program must agree on.
#
#   scripts/sums.sh DIR              a line for each file, "sha256  file", in the order of their names
#   scripts/sums.sh DIR OTHER        fails unless both folders have the same, file by file, and says what differs
#   scripts/sums.sh DIR | cut -d' ' -f1 | sort      compares folders whose files have other names
#
# Weights, codes and programs count byte by byte. Samples, verdicts, reports and probes count without times, peak memory,
# and what names the model's files. Not everything is looked at: settings, metrics and pages may change their words.
set -eu

die() { printf 'sums: %s\n' "$*" >&2; exit 2; }

# lines is a file of JSON lines without times.
lines() { sed -E 's/"([a-z_]*_)?seconds": ?[^,}]*,? ?//g' "$1"; }

# report is a report without times and the machine's and the folder's own.
report() { grep -v -E '"(bench|model_sha256|peak_memory_bytes|peak_memory|([a-z_]*_)?seconds)":' "$1"; }

# counted is what counts of a file; it fails for a file of which nothing does.
counted() {
	case $1 in
	*/state/*) return 1 ;;
	*.safetensors | *.csv | */tokenizer.json | */train.jsonl | */test.jsonl) cat "$1" ;;
	*/samples*.jsonl | */verdicts.jsonl) lines "$1" ;;
	*/report.json | */perturb.json | */oracle.json) report "$1" ;;
	*) return 1 ;;
	esac
}

# sums prints a line for each file of a folder.
sums() (
	cd "$1" 2>/dev/null || die "$1: there is no such folder"
	find . -type f | LC_ALL=C sort | while read -r file; do
		if counted "$file" >"$scratch/counted"; then
			sha256sum <"$scratch/counted" | sed "s|-\$|${file#./}|"
		fi
	done
)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case $# in
1) sums "$1" ;;
2)
	sums "$1" >"$scratch/1"
	sums "$2" >"$scratch/2"
	[ -s "$scratch/1" ] || die "$1: nothing to compare"
	diff "$scratch/1" "$scratch/2" >&2 || { printf 'sums: %s and %s differ\n' "$1" "$2" >&2; exit 1; }
	printf 'sums: the same %d files\n' "$(wc -l <"$scratch/1")" >&2
	;;
*) die 'usage: scripts/sums.sh DIR [OTHER]' ;;
esac
