package data

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
)

var written = []cot.Example{
	{TaskID: "a/0", Prompt: "def f(x):\n", CoT: "plan first\n1) times 3", Answer: "    return x * 3\n", EntryPoint: "f", Test: "assert f(1) == 3"},
	{TaskID: "a/1", Prompt: "def g(y):\n", CoT: "plan last", Answer: "    return y\n"},
	{TaskID: "a/2", Prompt: "def f(x):\n", CoT: "plan first\n1) plus 3\n2) minus 1", Answer: "    return x + 2\n"},
}

func newTokenizer(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	var texts []string
	for _, ex := range written {
		texts = append(texts, ex.Prompt+ex.CoT+ex.Answer)
	}
	tok, err := tokenizer.Train(slices.Values(texts), 280, cot.SpecialTokens)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// distilled makes thoughts of the written examples with a VAE that is not
// trained.
func distilled(t *testing.T, encoder string) (*Thoughts, [][][]int) {
	t.Helper()
	tok := newTokenizer(t)
	c := cot.VAEConfig{K: 3, D: 2, Encoder: encoder, Segments: "lines", Length: 12, Noise: 0.3, Beta: 0.1, Hidden: 8, Layers: 1, Heads: 2}
	v := cot.NewVAE(tensor.NewParams(4), c, tok.VocabSize(), 0, nil)
	rng := tensor.Rand(2, "shake")
	for p := range v.Params.All() { // what starts as zeros would not show
		for i := range p.Data {
			p.Data[i] += float32(0.2 * rng.NormFloat64())
		}
	}
	var chains [][][]int
	for _, ex := range written {
		segments, err := c.Cut(c.Steps(tok, ex.CoT))
		if err != nil {
			t.Fatal(err)
		}
		chains = append(chains, segments)
	}
	mu, _ := v.Encode(nil, chains, nil)
	return &Thoughts{Tokenizer: tok, VAE: v, Examples: written, Codes: v.Standardise(mu), Report: map[string]int{"steps": 3}}, chains
}

func TestThoughtsRoundTrip(t *testing.T) {
	for i, encoder := range append(cot.Encoders, "linear") {
		x, chains := distilled(t, encoder)
		if i == len(cot.Encoders) { // as with a large vocabulary: vectors for tokens that occur
			old := x.VAE
			x.VAE = cot.NewVAE(tensor.NewParams(4), old.Config, old.Vocab, old.EOS, cot.RowsFor(1<<20, old.EOS, chains))
			mu, _ := x.VAE.Encode(nil, chains, nil)
			x.Codes = x.VAE.Standardise(mu)
		}
		dir := filepath.Join(t.TempDir(), "thoughts")
		if err := x.Save(dir); err != nil {
			t.Fatal(err)
		}
		y, err := LoadThoughts(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range chains {
			if got, err := y.Segments(i); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: example %d has the segments %v, %v, want %v", encoder, i, got, err, want)
			}
		}
		same(t, "codes", y.Codes.Data, x.Codes.Data)
		same(t, "codes made again", y.VAE.Codes(chains).Data, x.Codes.Data)
		same(t, "mean", y.VAE.Mean, x.VAE.Mean)
		same(t, "std", y.VAE.Std, x.VAE.Std)
		if y.VAE.Config != x.VAE.Config || !slices.Equal(y.VAE.Rows, x.VAE.Rows) || y.VAE.EOS != x.VAE.EOS || !slices.Equal(y.Examples, x.Examples) {
			t.Errorf("%+v, EOS %d, %+v, want %+v, %d, %+v", y.VAE.Config, y.VAE.EOS, y.Examples, x.VAE.Config, x.VAE.EOS, x.Examples)
		}
		K, D := x.VAE.Config.K, x.VAE.Config.D
		for i := range y.Examples {
			codes, e := y.ExampleCodes(i), tensor.From(x.Codes.Data[i*K*D:(i+1)*K*D], K, D)
			same(t, "codes of an example", codes.Data, e.Data)
			if got, want := y.VAE.Read(codes), x.VAE.Read(e); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s: chain %d is read as %v, was as %v", encoder, i, got, want)
			}
			ex, want := cot.Encode(y.Tokenizer, y.Examples[i], i), cot.Encode(x.Tokenizer, written[i], i)
			if ex.Index != i || !slices.Equal(ex.Prompt, want.Prompt) || !slices.EqualFunc(ex.Steps, want.Steps, slices.Equal) || !slices.Equal(ex.Answer, want.Answer) {
				t.Errorf("example %d is %+v, want %+v", i, ex, want)
			}
		}
		if err := x.Save(dir); err != nil { // over what is there
			t.Error(err)
		}
	}
}

// damage rewrites a safetensors file with a tensor or the metadata changed.
// change returns false to drop the tensor.
func damage(t *testing.T, path string, change func(x *ckpt.Tensor) bool, meta func(m map[string]string)) {
	t.Helper()
	f, err := ckpt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []ckpt.Tensor
	for _, name := range f.Names() {
		data, shape, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		if x := (ckpt.Tensor{Name: name, Shape: shape, Data: data}); change == nil || change(&x) {
			tensors = append(tensors, x)
		}
	}
	metadata := map[string]string{}
	for k, v := range f.Metadata() {
		metadata[k] = v
	}
	if meta != nil {
		meta(metadata)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ckpt.Write(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
}

// A damaged folder is one clear line that names the file, what was found and
// what was expected.
func TestDamagedThoughts(t *testing.T) {
	without := func(name string) func(x *ckpt.Tensor) bool {
		return func(x *ckpt.Tensor) bool { return x.Name != name }
	}
	longer := func(name string) func(x *ckpt.Tensor) bool {
		return func(x *ckpt.Tensor) bool {
			if x.Name == name {
				x.Shape = slices.Clone(x.Shape)
				x.Shape[len(x.Shape)-1] *= 2
				x.Data = slices.Repeat(x.Data.([]float32), 2)
			}
			return true
		}
	}
	meta := func(key, value string) func(m map[string]string) {
		return func(m map[string]string) {
			m[key] = value
			if value == "" {
				delete(m, key)
			}
		}
	}
	const good = `{"thoughts":3,"dims":2,"encoder":"linear","segments":"lines","length":12,"hidden":8,"layers":1,"heads":2}`
	for _, tt := range []struct {
		name   string
		file   string
		damage func(path string)
		want   []string // parts of the message
	}{
		{"no VAE", VAEFile, func(path string) { os.Remove(path) }, nil},
		{"VAE cut short", VAEFile, func(path string) { os.Truncate(path, 100) }, nil},
		{"no codes", ThoughtsFile, func(path string) { os.Remove(path) }, nil},
		{"no examples", ExamplesFile, func(path string) { os.Remove(path) }, nil},
		{"no tokenizer", TokenizerFile, func(path string) { os.Remove(path) }, nil},
		{"VAE lacks a tensor", VAEFile, func(path string) { damage(t, path, without("decoder.slot"), nil) }, []string{"decoder.slot"}},
		{"VAE lacks the mean", VAEFile, func(path string) { damage(t, path, without("mean"), nil) }, []string{"mean"}},
		{"VAE with a tensor of another shape", VAEFile, func(path string) { damage(t, path, longer("decoder.slot"), nil) }, []string{"decoder.slot", "[3 16]", "[3 8]"}},
		{"VAE with a mean of another shape", VAEFile, func(path string) { damage(t, path, longer("mean"), nil) }, []string{"mean", "[4]", "[2]"}},
		{"VAE without its shape", VAEFile, func(path string) { damage(t, path, nil, meta("vae", "")) }, []string{"metadata"}},
		{"VAE with an unreadable shape", VAEFile, func(path string) { damage(t, path, nil, meta("vae", "{")) }, []string{"metadata"}},
		{"VAE with an impossible shape", VAEFile, func(path string) {
			damage(t, path, nil, meta("vae", strings.Replace(good, `"heads":2`, `"heads":3`, 1)))
		}, []string{"metadata", "hidden is 8", "heads (3)"}},
		{"VAE of negative length", VAEFile, func(path string) { damage(t, path, nil, meta("vae", strings.Replace(good, "12", "-12", 1))) }, []string{"metadata", "-12"}},
		{"VAE without vocabulary", VAEFile, func(path string) { damage(t, path, nil, meta("vocab", "")) }, []string{"metadata", "vocab"}},
		{"VAE of no vocabulary", VAEFile, func(path string) { damage(t, path, nil, meta("vocab", "-5")) }, []string{"metadata", "vocab", "-5"}},
		{"VAE with EOS outside", VAEFile, func(path string) { damage(t, path, nil, meta("eos", "5000")) }, []string{"metadata", "eos", "5000"}},
		{"no tensor codes", ThoughtsFile, func(path string) { damage(t, path, without("codes"), nil) }, []string{"codes"}},
		{"codes of another shape", ThoughtsFile, func(path string) { damage(t, path, longer("codes"), nil) }, []string{"codes", "[3 3 4]", "[3 3 2]"}},
		{"an example too many", ExamplesFile, func(path string) {
			if err := ckpt.WriteJSONL(path, slices.Values(append(slices.Clone(written), written[0]))); err != nil {
				t.Fatal(err)
			}
		}, []string{"codes", "[3 3 2]", "[4 3 2]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, _ := distilled(t, "linear")
			dir := filepath.Join(t.TempDir(), "thoughts")
			if err := x.Save(dir); err != nil {
				t.Fatal(err)
			}
			tt.damage(filepath.Join(dir, tt.file))
			_, err := LoadThoughts(dir)
			if err == nil {
				t.Fatal("no error")
			}
			file := tt.file
			if file == ExamplesFile && tt.want != nil {
				file = ThoughtsFile // is the one that does not fit the other
			}
			for _, part := range append(tt.want, filepath.Join(dir, file)) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %s", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), dir) != 1 {
				t.Errorf("error %q is not one line that names the file once", err)
			}
		})
	}
	if _, err := LoadThoughts(filepath.Join(t.TempDir(), "nowhere")); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a folder that is not there gives %v", err)
	}
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
