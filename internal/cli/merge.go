package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
)

// A shardRecord is what a shard of an evaluation leaves for merge, beside its
// verdicts.
type shardRecord struct {
	Shard      string   `json:"shard"` // "i/n"
	Evaluation settings `json:"evaluation"`
	K          []int    `json:"k"`
	Tasks      []string `json:"tasks"`   // all problems of the evaluation
	Samples    int      `json:"samples"` // of all shards
	Numbers    []int    `json:"numbers"` // of this shard's samples among those, in the verdicts' order

	Structures []eval.Structure `json:"structures"`                  // of this shard's problems
	PeakMemory int64            `json:"peak_memory_bytes,omitempty"` // of its process
}

func writeShard(dir string, x evaluation, s shard, problems []eval.Problem, structures []eval.Structure, source source, ks []int) error {
	r := shardRecord{Shard: s.String(), Evaluation: x.settings, K: ks, Samples: source.total(), Numbers: source.numbers(), Structures: structures, PeakMemory: x.PeakMemory}
	for _, p := range problems {
		r.Tasks = append(r.Tasks, p.TaskID)
	}
	return writeReport(filepath.Join(dir, shardFile), r)
}

type mergeOptions struct {
	dirs       []string
	perProblem bool
	out        string
}

func (e *env) merge() *cli.Command {
	var o mergeOptions
	return e.command(&cli.Command{
		Name:      "merge",
		Usage:     "join the shards of an evaluation into what it would have left undivided",
		ArgsUsage: "DIR...",
		Description: "Each DIR is the folder of a shard, or holds the folders shard-i-of-n of several:\n" +
			"    nfcot eval --shard 0/2 --samples samples.jsonl -o out/shard-0-of-2\n" +
			"    nfcot eval --shard 1/2 --samples samples.jsonl -o out/shard-1-of-2\n" +
			"    nfcot merge -o out out",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "per-problem", Usage: "print a line for each problem, too", Destination: &o.perProblem},
			&cli.StringFlag{Name: "o", Usage: "output `DIR` for the files that nfcot eval leaves", Destination: &o.out},
		},
		Action: func(c *cli.Context) error {
			o.dirs = c.Args().Slice()
			return e.runMerge(o)
		},
	})
}

func (e *env) runMerge(o mergeOptions) error {
	if err := need("o", o.out); err != nil {
		return err
	}
	if len(o.dirs) == 0 {
		return inputf("merge: name the folders of the shards; see nfcot merge --help")
	}
	parts, err := readParts(o)
	if err != nil {
		return err
	}
	verdicts, err := join(parts)
	if err != nil {
		return err
	}
	whole := parts[0].record
	x := evaluation{settings: whole.Evaluation}
	x.Sandbox = sandboxes(parts)
	problems := make([]eval.Problem, len(whole.Tasks))
	for i, task := range whole.Tasks {
		problems[i].TaskID = task
	}
	if x.Report, err = eval.Summarize(problems, verdicts, whole.K); err != nil {
		return input(err)
	}
	x.AddStructures(structuresOf(whole.Tasks, parts))
	for _, p := range parts {
		x.PeakMemory = max(x.PeakMemory, p.record.PeakMemory)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := writeEvaluation(o.out, filepath.Join(o.out, verdictsFile), x, verdicts); err != nil {
		return err
	}
	return e.printEvaluation(x, o.perProblem)
}

// A part is a shard as its folder holds it.
type part struct {
	dir      string
	shard    shard
	record   shardRecord
	verdicts []eval.Verdict
}

// readParts reads the shards in the folders, in their order.
func readParts(o mergeOptions) ([]part, error) {
	var parts []part
	for _, dir := range o.dirs {
		folders, err := shardsIn(dir)
		if err != nil {
			return nil, err
		}
		for _, folder := range folders {
			if same(folder, o.out) {
				return nil, inputf("-o %s is the folder of a shard; choose another", o.out)
			}
			p, err := readPart(folder)
			if err != nil {
				return nil, err
			}
			parts = append(parts, p)
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return compareShards(a.shard, b.shard) })
	return parts, nil
}

// shardsIn are the folders of the shards that a folder is or holds.
func shardsIn(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, shardFile)); err == nil {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, input(err)
	}
	var folders []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), shardFolders) && entry.IsDir() {
			folders = append(folders, filepath.Join(dir, entry.Name()))
		}
	}
	if folders == nil {
		return nil, inputf("%s: neither the folder of a finished shard (it has no %s) nor one with folders %si-of-n", dir, shardFile, shardFolders)
	}
	return folders, nil
}

// same says whether two paths lead to the same folder.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func readPart(dir string) (part, error) {
	p := part{dir: dir}
	path := filepath.Join(dir, shardFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return p, inputf("%s: has no %s: the shard is not finished; its own command continues it", dir, shardFile)
	}
	if err != nil {
		return p, input(err)
	}
	if err := json.Unmarshal(text, &p.record); err != nil {
		return p, inputf("%s: %w", path, err)
	}
	if p.shard, err = parseShard(p.record.Shard, func(string) string { return "" }); err != nil {
		return p, inputf("%s: shard is %q, expected i/n", path, p.record.Shard)
	}
	path = filepath.Join(dir, verdictsFile)
	p.verdicts, err = ckpt.ReadAllJSONL[eval.Verdict](path)
	if err != nil && !errors.Is(err, ckpt.ErrEmpty) {
		return p, input(err)
	}
	if len(p.verdicts) != len(p.record.Numbers) {
		return p, inputf("%s: found %d verdicts, expected the %d of shard %s", path, len(p.verdicts), len(p.record.Numbers), p.shard)
	}
	return p, nil
}

// join puts the verdicts of all shards in the order of the samples. There has to
// be every shard once, all of one evaluation.
func join(parts []part) ([]eval.Verdict, error) {
	first := parts[0]
	for _, p := range parts[1:] {
		if err := agree(first, p); err != nil {
			return nil, err
		}
	}
	for i := range first.shard.count {
		switch found := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p.shard.index != i }); len(found) {
		case 0:
			return nil, inputf("shard %d/%d is missing", i, first.shard.count)
		case 1:
		default:
			return nil, inputf("shard %s is there twice, in %s and in %s", found[0].shard, found[0].dir, found[1].dir)
		}
	}
	verdicts := make([]eval.Verdict, first.record.Samples)
	filled := make([]bool, len(verdicts))
	for _, p := range parts {
		for at, i := range p.record.Numbers {
			if i < 0 || i >= len(verdicts) || filled[i] {
				return nil, inputf("%s: sample %d is there twice, or not among the %d", p.dir, i+1, len(verdicts))
			}
			verdicts[i], filled[i] = p.verdicts[at], true
		}
	}
	if i := slices.Index(filled, false); i >= 0 {
		return nil, inputf("sample %d of %d is in none of the %d shards", i+1, len(verdicts), len(parts))
	}
	return verdicts, nil
}

// structuresOf are those of all shards in the order of the problems.
func structuresOf(tasks []string, parts []part) []eval.Structure {
	var all []eval.Structure
	for _, p := range parts {
		all = append(all, p.record.Structures...)
	}
	slices.SortFunc(all, func(a, b eval.Structure) int { return slices.Index(tasks, a.TaskID) - slices.Index(tasks, b.TaskID) })
	return all
}

// agree finds what two shards have not in common but should. Where the problems
// were read from does not matter, nor which walls stood.
func agree(a, b part) error {
	describe := func(p part) ([]byte, error) {
		r := p.record
		r.Shard = fmt.Sprint(p.shard.count)
		r.Evaluation.Bench, r.Evaluation.Sandbox = "", ""
		// One level of keys, so that a difference has a name.
		return json.Marshal(struct {
			Shards string   `json:"number of shards"`
			K      []int    `json:"k"`
			Tasks  []string `json:"tasks"`
			Sizes  int      `json:"number of samples"`
			settings
		}{r.Shard, r.K, r.Tasks, r.Samples, r.Evaluation})
	}
	x, err := describe(a)
	if err != nil {
		return err
	}
	y, err := describe(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(x, y) {
		return inputf("%s and %s are shards of different evaluations: %s is of %s", a.dir, b.dir, b.dir, differences(x, y))
	}
	return nil
}

// sandboxes are the walls that stood, of all kinds of machine there were.
func sandboxes(parts []part) string {
	var all []string
	for _, p := range parts {
		all = append(all, strings.Split(p.record.Evaluation.Sandbox, otherwise)...)
	}
	return joinWalls(all)
}

// otherwise stands between the walls of different machines.
const otherwise = " | "

// joinWalls says which different walls stood.
func joinWalls(walls []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(walls))), otherwise)
}
