package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/eval"
)

// A shardRecord is what a shard of an evaluation leaves for merge, beside its
// verdicts.
type shardRecord struct {
	Shard      string   `json:"shard"` // "i/n"
	Evaluation Settings `json:"evaluation"`
	K          []int    `json:"k"`
	Tasks      []string `json:"tasks"`   // all problems of the evaluation
	Samples    int      `json:"samples"` // of all shards
	Numbers    []int    `json:"numbers"` // of this shard's samples among those, in the verdicts' order

	Structures []eval.Structure `json:"structures"`                  // of this shard's problems
	PeakMemory int64            `json:"peak_memory_bytes,omitempty"` // of its process
}

// Merge joins the shards of an evaluation into what it would have left undivided,
// in the folder out. Each of dirs is the folder of a shard, or holds the folders of
// several.
func Merge(dirs []string, out string) (*Evaluation, error) {
	shards, err := readShards(dirs, out)
	if err != nil {
		return nil, err
	}
	if len(shards) == 0 {
		return nil, inputf("there is no shard to merge")
	}
	first := shards[0].record
	x := &Evaluation{Dir: out, Settings: first.Evaluation}
	if x.Verdicts, err = join(shards); err != nil {
		return nil, err
	}
	x.Sandbox = sandboxes(shards)
	problems := make([]eval.Problem, len(first.Tasks))
	for i, task := range first.Tasks {
		problems[i] = eval.Problem{TaskID: task, Format: x.Format}
	}
	if x.Report, err = eval.Summarize(problems, x.Verdicts, first.K); err != nil {
		return nil, input(err)
	}
	x.AddStructures(structuresOf(first.Tasks, shards))
	for _, s := range shards {
		x.PeakMemory = max(x.PeakMemory, s.record.PeakMemory)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	return x, x.write(filepath.Join(out, verdictsFile))
}

// A finishedShard is a shard as its folder holds it.
type finishedShard struct {
	dir      string
	shard    Shard
	record   shardRecord
	verdicts []eval.Verdict
}

// readShards reads the shards in the folders, in the shards' order.
func readShards(dirs []string, out string) ([]finishedShard, error) {
	var shards []finishedShard
	for _, dir := range dirs {
		folders, err := shardsIn(dir)
		if err != nil {
			return nil, err
		}
		for _, folder := range folders {
			if same(folder, out) {
				return nil, inputf("-o %s is the folder of a shard; choose another", out)
			}
			s, err := readShard(folder)
			if err != nil {
				return nil, err
			}
			shards = append(shards, s)
		}
	}
	slices.SortStableFunc(shards, func(a, b finishedShard) int { return compareShards(a.shard, b.shard) })
	return shards, nil
}

// shardsIn are the folders of the shards that a folder is or holds.
func shardsIn(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, shardFile)); err == nil {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, inputf("%s: %w", dir, errors.Unwrap(err))
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

func readShard(dir string) (finishedShard, error) {
	s := finishedShard{dir: dir}
	path := filepath.Join(dir, shardFile)
	err := readRecord(path, &s.record, inputf("%s: has no %s: the shard is not finished; its own command continues it", dir, shardFile))
	if err != nil {
		return s, err
	}
	if s.shard, err = parseShard(s.record.Shard); err != nil {
		return s, inputf("%s: shard is %q, expected i/n", path, s.record.Shard)
	}
	s.verdicts, err = readVerdicts(filepath.Join(dir, verdictsFile), len(s.record.Numbers), "shard "+s.shard.String())
	return s, err
}

// join puts the verdicts of all shards in the order of the samples. There has to
// be every shard once, all of one evaluation.
func join(shards []finishedShard) ([]eval.Verdict, error) {
	first := shards[0]
	for _, s := range shards[1:] {
		if err := agree(first, s); err != nil {
			return nil, err
		}
	}
	for i := range first.shard.Count {
		switch found := slices.DeleteFunc(slices.Clone(shards), func(s finishedShard) bool { return s.shard.Index != i }); len(found) {
		case 0:
			return nil, inputf("shard %d/%d is missing", i, first.shard.Count)
		case 1:
		default:
			return nil, inputf("shard %s is there twice, in %s and in %s", found[0].shard, found[0].dir, found[1].dir)
		}
	}
	verdicts := make([]eval.Verdict, first.record.Samples)
	filled := make([]bool, len(verdicts))
	for _, s := range shards {
		for at, i := range s.record.Numbers {
			if i < 0 || i >= len(verdicts) || filled[i] {
				return nil, inputf("%s: sample %d is there twice, or not among the %d", s.dir, i+1, len(verdicts))
			}
			verdicts[i], filled[i] = s.verdicts[at], true
		}
	}
	if i := slices.Index(filled, false); i >= 0 {
		return nil, inputf("sample %d of %d is in none of the %d shards", i+1, len(verdicts), len(shards))
	}
	return verdicts, nil
}

// structuresOf are those of all shards in the order of the problems.
func structuresOf(tasks []string, shards []finishedShard) []eval.Structure {
	var all []eval.Structure
	for _, s := range shards {
		all = append(all, s.record.Structures...)
	}
	slices.SortFunc(all, func(a, b eval.Structure) int { return slices.Index(tasks, a.TaskID) - slices.Index(tasks, b.TaskID) })
	return all
}

// agree finds what two shards have not in common but should. Where the problems
// were read from does not matter, nor which layers stood.
func agree(a, b finishedShard) error {
	describe := func(s finishedShard) ([]byte, error) {
		r := s.record
		r.Shard = fmt.Sprint(s.shard.Count)
		r.Evaluation.Bench, r.Evaluation.Sandbox = "", ""
		// One level of keys, so that a difference has a name.
		return json.Marshal(struct {
			Shards string   `json:"number of shards"`
			K      []int    `json:"k"`
			Tasks  []string `json:"tasks"`
			Sizes  int      `json:"number of samples"`
			Settings
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
		return inputf("%s and %s are shards of different evaluations: %s is of an evaluation with another %s", a.dir, b.dir, b.dir, differences(x, y))
	}
	return nil
}

// sandboxes are the layers that stood, of all kinds of machine there were.
func sandboxes(shards []finishedShard) string {
	var all []string
	for _, s := range shards {
		all = append(all, strings.Split(s.record.Evaluation.Sandbox, otherwise)...)
	}
	return joinLayers(all)
}

// otherwise stands between the layers of different machines.
const otherwise = " | "

// joinLayers says which different layers stood.
func joinLayers(layers []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(layers))), otherwise)
}
