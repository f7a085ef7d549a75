package ckpt

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfcot/internal/shared"
)

// The sharded fixture holds exactly the tensors of its shards, shard by shard.
func TestOpenModelSharded(t *testing.T) {
	dir := filepath.Join(shared.Fixtures(t), "qwen3_tiny", "untied_sharded")
	shards, err := filepath.Glob(filepath.Join(dir, "model-*.safetensors"))
	if err != nil || len(shards) < 2 {
		t.Fatalf("shards %v (%v)", shards, err)
	}
	model, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	var names []string
	for _, path := range shards { // Glob sorts
		shard := mustOpen(t, path)
		names = append(names, shard.Names()...)
		for _, name := range shard.Names() {
			if !bytes.Equal(mustRaw(t, model, name), mustRaw(t, shard, name)) {
				t.Errorf("%s differs from its shard", name)
			}
		}
	}
	if diff := cmp.Diff(names, model.Names()); diff != "" {
		t.Errorf("names (-want +got)\n%s", diff)
	}
}

func TestOpenModelSingle(t *testing.T) {
	for _, name := range []string{"tied", "untied", "tied_bf16"} {
		dir := filepath.Join(shared.Fixtures(t), "qwen3_tiny", name)
		model, err := OpenModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer model.Close()
		want := mustOpen(t, filepath.Join(dir, modelName))
		if !slices.Equal(model.Names(), want.Names()) {
			t.Errorf("%s: names %v", name, model.Names())
		}
	}
}

func TestOpenModelRefuses(t *testing.T) {
	const index = `{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`
	for name, c := range map[string]struct {
		index  string
		shards map[string][]string // file: its tensors
		want   []string
	}{
		"nothing":           {"", nil, []string{"neither", modelName, IndexFile}},
		"missing shard":     {index, map[string][]string{"1": {"a"}}, []string{IndexFile, `"b"`, "2.safetensors", "does not exist"}},
		"lacks a tensor":    {index, map[string][]string{"1": {"a"}, "2": {"c"}}, []string{`"b"`, "not in 2.safetensors", IndexFile}},
		"in the other":      {index, map[string][]string{"1": {"a", "b"}, "2": {"c"}}, []string{`"b"`, "not in 2.safetensors"}},
		"in two shards":     {index, map[string][]string{"1": {"a", "b"}, "2": {"b"}}, []string{"2.safetensors", `"b"`, "also in", "1.safetensors"}},
		"twice in index":    {`{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}`, nil, []string{IndexFile, "duplicate", `"a"`}},
		"no map":            {`{"metadata":{}}`, nil, []string{IndexFile, "weight_map"}},
		"empty map":         {`{"weight_map":{}}`, nil, []string{IndexFile, "empty"}},
		"map no object":     {`{"weight_map":3}`, nil, []string{IndexFile, "weight_map", "object"}},
		"index not JSON":    {`{`, nil, []string{IndexFile, "invalid JSON"}},
		"shard no name":     {`{"weight_map":{"a":7}}`, nil, []string{IndexFile, `"a"`, "7"}},
		"shard elsewhere":   {`{"weight_map":{"a":"../1.safetensors"}}`, nil, []string{IndexFile, `"a"`, "same folder"}},
		"shard the parent":  {`{"weight_map":{"a":".."}}`, nil, []string{IndexFile, `"a"`, "same folder"}},
		"damaged shard":     {`{"weight_map":{"a":"bad"}}`, nil, []string{"bad", "3 bytes"}},
		"unindexed tensors": {`{"weight_map":{"a":"1.safetensors"}}`, map[string][]string{"1": {"a", "b"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeBytes(t, filepath.Join(dir, "bad"), []byte("bad"))
			if c.index != "" {
				writeBytes(t, filepath.Join(dir, IndexFile), []byte(c.index))
			}
			for file, names := range c.shards {
				var tensors []Tensor
				for _, n := range names {
					tensors = append(tensors, Tensor{Name: n, Data: []uint8{1}})
				}
				mustWrite(t, filepath.Join(dir, file+".safetensors"), tensors, nil)
			}
			f, err := OpenModel(dir)
			if c.want == nil {
				if err != nil || strings.Join(f.Names(), "") != "ab" {
					t.Fatalf("names %v (%v)", f, err)
				}
				f.Close()
				return
			}
			wantError(t, err, dir, c.want...)
		})
	}
}

// The shards' names decide the order, not the index; the metadata is the first
// shard's.
func TestOpenModelOrder(t *testing.T) {
	dir := t.TempDir()
	writeBytes(t, filepath.Join(dir, IndexFile), []byte(`{"weight_map":{"a":"2","b":"1"}}`))
	mustWrite(t, filepath.Join(dir, "1"), []Tensor{{Name: "b", Data: []uint8{1}}}, map[string]string{"format": "pt"})
	mustWrite(t, filepath.Join(dir, "2"), []Tensor{{Name: "a", Data: []uint8{2}}}, map[string]string{"format": "np"})
	f, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !slices.Equal(f.Names(), []string{"b", "a"}) || f.Metadata()["format"] != "pt" {
		t.Errorf("names %v, metadata %v", f.Names(), f.Metadata())
	}
}

// A damaged model.safetensors is an error, not a reason to look for shards.
func TestOpenModelPrefersSingle(t *testing.T) {
	dir := t.TempDir()
	path := writeBytes(t, filepath.Join(dir, modelName), nil)
	writeBytes(t, filepath.Join(dir, IndexFile), []byte(`{"weight_map":{"a":"1"}}`))
	_, err := OpenModel(dir)
	wantError(t, err, path, "0 bytes")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = OpenModel(dir)
	wantError(t, err, filepath.Join(dir, IndexFile), "1", "does not exist")
}
