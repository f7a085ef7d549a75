package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt/gguf"
)

// Hash tells the model of one folder from another: by its configuration,
// without the names of what it was made from, its tokenizer and its weights.
// Adapters are as good as what they are over: base, or what they name.
func Hash(dir, base string, x Experiment) (string, error) {
	h := sha256.New()
	config, err := json.Marshal(x.Config)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s\n%s\n", config, x.Source.SHA256)
	links, err := chain(dir, base)
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if err := hashFolder(h, l.dir); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Hash tells the model of a run from another.
func (r *Run) Hash() (string, error) { return Hash(r.Dir, r.base, r.Experiment) }

// hashFolder hashes the weights, tokenizer and settings in a model's folder.
func hashFolder(h hash.Hash, dir string) error {
	if gguf.IsFile(dir) {
		return hashGGUF(h, dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if !slices.Contains([]string{".json", ".safetensors"}, filepath.Ext(name)) {
			continue
		}
		fmt.Fprintf(h, "%s\n", name)
		if err := hashFile(h, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// hashGGUF hashes a GGUF file, or all files of a set.
func hashGGUF(h hash.Hash, path string) error {
	paths, err := gguf.Files(path)
	for _, path := range paths {
		if err == nil {
			err = hashFile(h, path)
		}
	}
	return err
}

func hashFile(h hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(h, f)
	return err
}
