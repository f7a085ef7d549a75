package study

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot/experiment"
)

// The commands of a plan, as a shell is given them.
func TestShell(t *testing.T) {
	p, err := planOf(t, small+`- {id: s, seeds: two, eval: {model: ./other, bench: it's, n: 5, k: [1, 3], denoise: true, thought_temp: 0, stops: [a b, "\n"], top_k: 3}}
- {id: q, alone: true, eval: {model: ./m, n: 5, denoise: false}}
- {id: l, seeds: two, rl: {init: r, set: {rl.lr: 1e-4, rl.group: 08}}}
- {id: o, seeds: one, probe: {kind: oracle, model: ./m, problems: ./p.jsonl, scale: [0, 0.5]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	var ids []string
	for _, j := range p.jobs("D x") {
		for _, id := range j.Needs {
			if lines[id] == "" {
				t.Errorf("%s needs %s, which is not before it", j.ID, id)
			}
		}
		lines[j.ID] = j.Shell()
		ids = append(ids, j.ID)
	}
	for id, want := range map[string]string{
		"seed2/a": `mkdir -p 'D x/seed2' && nfcot data --quiet --threads 1 --bench minicode:x -n 4 --seed 2 -o 'D x/seed2/a.jsonl'`,
		"seed7/t": `mkdir -p 'D x/seed7' && nfcot tokenize train --quiet --threads 1 --in ./mine.jsonl -o 'D x/seed7/t'`,
		"seed2/v": `nfcot distill --quiet --threads 1 --data 'D x/seed2/a.jsonl' --tokenizer 'D x/seed7/t' --seed 2 -o 'D x/seed2/v'`,
		"seed7/m": `mkdir -p 'D x/seed7' && nfcot train --quiet --threads 1 --method cot --data ./x.jsonl -o 'D x/seed7/m'`,
		"seed2/r": `nfcot train --quiet --threads 1 --method cot --thoughts 'D x/seed2/v' --set seed=2 -o 'D x/seed2/r' ` +
			`--set "stages.joint.steps=$(nfcot study steps --budget 1e+09 'D x/seed7/m' 1/2)"`,
		"seed1/e": `nfcot eval --quiet --threads 1 --workers 1 --model 'D x/seed1/r' --bench 'D x/seed1/a.jsonl' --seed 1 -o 'D x/seed1/e'`,
		"seed1/p": `nfcot probe perturb --quiet --threads 1 --workers 1 --model 'D x/seed1/r' --bench 'D x/seed1/a.jsonl' --seed 1 -o 'D x/seed1/p.json'`,
		"seed1/s": `mkdir -p 'D x/seed1' && nfcot eval --quiet --threads 1 --workers 1 --model ./other --bench 'it'\''s' -n 5 -k 1,3 --thought-temp 0 --denoise --top-k 3 ` +
			"--stop 'a b' --stop '\n' --seed 1 -o 'D x/seed1/s'",
		"q":       `mkdir -p 'D x' && nfcot eval --quiet --workers 1 --model ./m -n 5 --denoise=false -k 1,2,4 -o 'D x/q'`,
		"seed1/l": `nfcot rl --quiet --threads 1 --workers 1 --init 'D x/seed1/r' --set rl.group=08 --set rl.lr=1e-4 --set seed=1 -o 'D x/seed1/l'`,
		"seed7/o": `mkdir -p 'D x/seed7' && nfcot probe oracle --quiet --threads 1 --workers 1 --model ./m --bench ./p.jsonl --scale 0,0.5 --seed 7 -o 'D x/seed7/o.json'`,
	} {
		if lines[id] != want {
			t.Errorf("%s is\n%s\nwant\n%s", id, lines[id], want)
		}
	}
	if want := []string{"seed1/a", "seed2/a", "seed7/t", "seed1/v", "seed2/v", "seed7/m"}; !slices.Equal(ids[:6], want) {
		t.Errorf("the jobs begin with %q", ids[:6])
	}
}

// Some entries of a plan, with all that they need: under each seed, through steps as well, and nothing else.
func TestOnly(t *testing.T) {
	p, err := planOf(t, small)
	if err != nil {
		t.Fatal(err)
	}
	for only, want := range map[string]string{
		"t":   "seed7/t",
		"v":   "seed1/a seed2/a seed7/t seed1/v seed2/v",
		"r":   "seed1/a seed2/a seed7/t seed1/v seed2/v seed7/m seed1/r seed2/r",
		"m a": "seed1/a seed2/a seed7/m",
	} {
		if err := p.Only(strings.Fields(only)); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, j := range p.jobs("") {
			ids = append(ids, j.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("only %s: %s; want %s", only, got, want)
		}
	}
	if err := p.Only([]string{"a", "nobody"}); err == nil || !strings.Contains(err.Error(), `no entry "nobody"; the ids are a, `) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

func TestShares(t *testing.T) {
	for _, tt := range []struct {
		text    string
		n, want int
	}{{"1", 37, 37}, {"0", 37, 0}, {"2", 37, 74}, {"4/5", 20, 16}, {"1/5", 24, 4}, {"3/4 - 1/30", 20, 15}, {"3/4 - 1/30", 60, 43}, {"1/3 + 1/3", 20, 12}} {
		s, err := ParseShare(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Of(tt.n); got != tt.want || s.String() != tt.text {
			t.Errorf("%s of %d is %d, written %s; want %d", tt.text, tt.n, got, s, tt.want)
		}
	}
	for _, bad := range []string{"", "half", "-1", "1/0", "1 -", "1-1/2", "0.5", "1/2/3", "99999999999999999999"} {
		if s, err := ParseShare(bad); err == nil {
			t.Errorf("%q is a share: %v", bad, s)
		}
	}
}

func TestAffordable(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		metrics string
		budget  float64
		want    int
	}{
		{`{"backbone_flops":1e6}` + "\n" + `{"backbone_flops":3e6}` + "\n", 1e9, 500},
		{`{"backbone_flops":3e6}` + "\n", 1e9, 330},
		{`{"backbone_flops":3e6}` + "\n", 1, 20},
		{`{"loss":3}` + "\n", 1, 0}, // nobody knows
		{"", 1, 0},
	} {
		if err := os.WriteFile(filepath.Join(dir, experiment.MetricsFile), []byte(tt.metrics), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Affordable(dir, tt.budget); got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("%q: %d steps, %v; want %d", strings.TrimSpace(tt.metrics), got, err, tt.want)
		}
	}
}
