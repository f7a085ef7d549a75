package ckpt

// Models in Hugging Face's layout: model.safetensors, or several shards with
// model.safetensors.index.json, whose weight_map gives each tensor's shard.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt/jsontext"
)

const modelName = "model.safetensors"

// IndexFile is the index of a sharded model.
const IndexFile = "model.safetensors.index.json"

// OpenModel opens the weights of a model folder: model.safetensors where there
// is one, else the shards that model.safetensors.index.json names. All tensors
// of the shards can be read, in the order of the shards' names. It is an error
// if a shard is missing, lacks a tensor that the index promises, or holds one
// that another shard also holds.
func OpenModel(dir string) (*File, error) {
	single, index := filepath.Join(dir, modelName), filepath.Join(dir, IndexFile)
	if _, err := os.Stat(single); !errors.Is(err, fs.ErrNotExist) {
		return Open(single)
	}
	text, err := os.ReadFile(index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: holds neither %s nor %s", dir, modelName, IndexFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", index, reason(err))
	}
	placement, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", index, err)
	}
	return openShards(dir, index, placement)
}

// place is one line of an index: a tensor and its shard's file name.
type place struct{ tensor, shard string }

// parseIndex reads the weight_map of an index, in the order of the text.
func parseIndex(text []byte) ([]place, error) {
	top, err := objectMembers(text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(top, func(m jsontext.Field) bool { return m.Key == "weight_map" })
	if i < 0 {
		return nil, errors.New(`has no "weight_map"`)
	}
	members, err := objectMembers(top[i].Value)
	if err != nil {
		return nil, fmt.Errorf("weight_map: %w", err)
	}
	if len(members) == 0 {
		return nil, errors.New("weight_map is empty")
	}
	placement := make([]place, len(members))
	for i, m := range members {
		var shard string
		if err := jsontext.Unmarshal(m.Value, &shard); err != nil || !filepath.IsLocal(shard) || shard != filepath.Base(shard) {
			return nil, fmt.Errorf("tensor %q: found %s, expected the name of a file in the same folder", m.Key, shorten(m.Value))
		}
		placement[i] = place{tensor: m.Key, shard: shard}
	}
	return placement, nil
}

func openShards(dir, index string, placement []place) (_ *File, err error) {
	f := &File{path: dir, byName: map[string]located{}}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	firstIn := map[string]string{} // the first tensor that the index puts into a shard
	var names []string
	for _, p := range placement {
		if _, ok := firstIn[p.shard]; !ok {
			firstIn[p.shard] = p.tensor
			names = append(names, p.shard)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		s, err := openShard(filepath.Join(dir, name), mapFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: tensor %q is in %s, which does not exist", index, firstIn[name], name)
		}
		if err != nil {
			return nil, err
		}
		if err := f.add(s); err != nil {
			return nil, err
		}
	}
	for _, p := range placement {
		t, ok := f.byName[p.tensor]
		if !ok || filepath.Base(t.shard.path) != p.shard {
			return nil, fmt.Errorf("%s: tensor %q is not in %s, where %s puts it", dir, p.tensor, p.shard, IndexFile)
		}
	}
	return f, nil
}
