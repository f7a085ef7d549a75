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
)

// Hash tells the model of one folder from another: by its configuration,
// without the names of what it was made from, its tokenizer and its weights.
// Adapters are as good as what they are beside.
func Hash(dir string, x Experiment) (string, error) {
	h := sha256.New()
	config, err := json.Marshal(x.Config)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s\n%s\n", config, x.Source.SHA256)
	if err := hashFolder(h, dir); err != nil {
		return "", err
	}
	if x.LoRA.On() {
		if err := hashFolder(h, x.Source.Init); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashFolder hashes the weights, tokenizer and settings in a model's folder.
func hashFolder(h hash.Hash, dir string) error {
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
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
