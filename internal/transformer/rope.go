package transformer

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/tensor"
)

// Rope says how the frequencies of rotary embeddings are scaled, for positions
// beyond those that a model was trained on first. The zero Rope leaves them as
// they are.
type Rope struct {
	Type      string  `yaml:"type,omitempty"`               // linear, llama3, yarn, factors
	Factor    float64 `yaml:"factor,omitempty"`             // linear, llama3, yarn: by how much frequencies are divided
	Positions int     `yaml:"original_positions,omitempty"` // llama3, yarn: those trained on first
	LowFreq   float64 `yaml:"low_freq_factor,omitempty"`    // llama3: turns within Positions below which a frequency is divided
	HighFreq  float64 `yaml:"high_freq_factor,omitempty"`   // llama3: and above which it is left alone
	BetaFast  float64 `yaml:"beta_fast,omitempty"`          // yarn: turns above which it is left alone
	BetaSlow  float64 `yaml:"beta_slow,omitempty"`          // yarn: and below which it is divided
	Exact     bool    `yaml:"untruncated,omitempty"`        // yarn: the pairs between them are not rounded to whole numbers
	Attention float64 `yaml:"attention_factor,omitempty"`   // yarn, factors: queries and keys are multiplied by it; 0: yarn's own, or 1
	Factors   string  `yaml:"factors,omitempty"`            // factors: by what the frequency of each pair is divided, separated by commas
}

// frequencies are those of the pairs of a head, and what queries and keys are
// multiplied by.
func (r Rope) frequencies(c Config) (freq []float64, scale float64) {
	freq, scale = tensor.Frequencies(c.HeadDim, c.Theta), 1
	switch r.Type {
	case "linear":
		for i := range freq {
			freq[i] /= r.Factor
		}
	case "llama3": // Llama 3.1: by wavelength, with a ramp in between
		for i, f := range freq {
			turns := float64(r.Positions) * f / (2 * math.Pi)
			keep := min(max((turns-r.LowFreq)/(r.HighFreq-r.LowFreq), 0), 1)
			freq[i] = (1-keep)*f/r.Factor + keep*f
		}
	case "yarn": // Peng et al., 2023: by pair, with a ramp in between
		low, high := r.ramp(c)
		for i, f := range freq {
			divide := min(max((float64(i)-low)/(high-low), 0), 1)
			freq[i] = divide*f/r.Factor + (1-divide)*f
		}
		scale = yarnAttention(r.Factor, 1)
	case "factors":
		for i, by := range strings.Split(r.Factors, ",") {
			v, _ := strconv.ParseFloat(by, 64)
			freq[i] /= v
		}
	}
	if r.Attention != 0 {
		scale = r.Attention
	}
	return freq, scale
}

// RopeFactors are by what the scaling of c divides the frequency of each pair of a head.
func (c Config) RopeFactors() []float32 {
	scaled, _ := c.Rope.frequencies(c)
	factors := make([]float32, len(scaled))
	for i, f := range tensor.Frequencies(c.HeadDim, c.Theta) {
		factors[i] = float32(f / scaled[i])
	}
	return factors
}

// ramp are the pairs between which yarn goes over from frequencies that are left
// alone to divided ones.
func (r Rope) ramp(c Config) (low, high float64) {
	pair := func(turns float64) float64 { // that turns so often within the original positions
		return float64(c.HeadDim) * math.Log(float64(r.Positions)/(turns*2*math.Pi)) / (2 * math.Log(c.Theta))
	}
	low, high = pair(r.BetaFast), pair(r.BetaSlow)
	if !r.Exact {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(c.HeadDim-1))
	if low == high {
		high += 0.001
	}
	return low, high
}

// yarnAttention is by how much yarn sharpens attention (its equation 22).
func yarnAttention(factor, scale float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*scale*math.Log(factor) + 1
}

// check says what is wrong with the settings in a model of shape c.
func (r Rope) check(c Config) error {
	bad := func(name string, v any, want string) error {
		return fmt.Errorf("%s of rope type %s is %v; expected %s", name, r.Type, v, want)
	}
	switch {
	case r.Type == "":
		return nil
	case !slices.Contains([]string{"linear", "llama3", "yarn", "factors"}, r.Type):
		return fmt.Errorf("rope type is %.40q; expected linear, llama3, yarn or factors", r.Type)
	case c.Learned:
		return fmt.Errorf("rope type is %s; learned positions have no rotary embeddings", r.Type)
	case r.Type != "factors" && !(r.Factor > 0):
		return bad("factor", r.Factor, "a positive number")
	case (r.Type == "llama3" || r.Type == "yarn") && r.Positions < 1:
		return bad("original_max_position_embeddings", r.Positions, "at least 1")
	case r.Type == "llama3" && !(r.LowFreq > 0 && r.HighFreq > r.LowFreq):
		return bad("low_freq_factor", r.LowFreq, fmt.Sprintf("a positive number below high_freq_factor (%g)", r.HighFreq))
	case r.Type == "yarn" && !(r.BetaFast > 0 && r.BetaSlow > 0):
		return bad("beta_fast, beta_slow", fmt.Sprintf("%g, %g", r.BetaFast, r.BetaSlow), "positive numbers")
	case r.Type == "factors" && strings.Count(r.Factors, ",") != c.HeadDim/2-1:
		return bad("factors", fmt.Sprintf("a list of %d", strings.Count(r.Factors, ",")+1), fmt.Sprintf("%d, one for each pair of numbers of a head", c.HeadDim/2))
	}
	freq, scale := r.frequencies(c)
	for i, f := range append(freq, scale) {
		if !(f > 0) || math.IsInf(f, 0) {
			return fmt.Errorf("rope type %s makes frequency %d of a head %g; expected a positive number", r.Type, i, f)
		}
	}
	return nil
}

// Where a config.json has the settings of rotary embeddings: transformers 5 keeps
// in rope_parameters what version 4 spread over rope_theta and rope_scaling.
var ropeKeys = []string{"rope_theta", "rope_scaling", "rope_parameters", "original_max_position_embeddings"}

// A ropeReader reads the settings of rotary embeddings from one place.
type ropeReader struct {
	place string // its key in config.json
	keys  map[string]json.RawMessage
	read  map[string]bool
	err   error
}

// parseRope reads the settings of rotary embeddings as transformers does: what is
// in rope_scaling, or else in rope_parameters, counts before what is beside it.
func (c *Config) parseRope(keys map[string]json.RawMessage) error {
	r := &ropeReader{place: "rope_parameters", read: map[string]bool{}}
	for _, place := range []string{"rope_scaling", "rope_parameters"} {
		if len(r.keys) > 0 || isNull(keys[place]) {
			continue
		}
		if r.place = place; jsontext.Unmarshal(keys[place], &r.keys) != nil {
			return fmt.Errorf("%s is %.60s; expected an object", place, compact(keys[place]))
		}
	}
	if _, ok := r.keys["rope_theta"]; ok {
		c.Theta = r.number("rope_theta", 0)
	} else if raw, ok := keys["rope_theta"]; ok && jsontext.Unmarshal(raw, &c.Theta) != nil || ok && isNull(raw) {
		return fmt.Errorf("rope_theta is %.60s; expected a number", compact(raw))
	}
	original := 0
	if raw := keys["original_max_position_embeddings"]; !isNull(raw) && jsontext.Unmarshal(raw, &original) != nil {
		return fmt.Errorf("original_max_position_embeddings is %.60s; expected a whole number", compact(raw))
	}
	if partial := r.number("partial_rotary_factor", 1); partial != 1 && r.err == nil {
		return fmt.Errorf("%s: partial_rotary_factor is %g; only 1 is supported", r.place, partial)
	}
	if err := r.rope(&c.Rope, c.MaxTokens, original); err != nil {
		return err
	}
	return r.rest(c.Rope.Type)
}

// rope reads what each type of scaling has. original is what stands beside it.
func (r *ropeReader) rope(to *Rope, positions, original int) error {
	switch kind := r.text("rope_type", r.text("type", "default")); kind {
	case "default":
	case "linear":
		to.Type, to.Factor = kind, r.number("factor", 0)
	case "llama3":
		to.Type, to.Factor, to.Positions = kind, r.number("factor", 0), r.original(positions, original)
		to.LowFreq, to.HighFreq = r.number("low_freq_factor", 0), r.number("high_freq_factor", 0)
	case "yarn":
		to.Type, to.Positions = kind, r.original(positions, original)
		to.Factor = r.number("factor", float64(positions)/float64(max(to.Positions, 1)))
		to.BetaFast, to.BetaSlow = r.nonzero("beta_fast", 32), r.nonzero("beta_slow", 1)
		to.Exact = !r.truth("truncate", r.keys["truncate"] == nil) // null is false, as transformers has it
		scale, all := r.number("mscale", 0), r.number("mscale_all_dim", 0)
		if to.Attention = r.attention(); to.Attention == 0 && scale != 0 && all != 0 {
			to.Attention = yarnAttention(to.Factor, scale) / yarnAttention(to.Factor, all)
		}
	case "factors": // what a GGUF file's rope_freqs.weight becomes
		to.Type, to.Factors, to.Attention = kind, r.list("factors"), r.attention()
	case "longrope":
		short, long := r.list("short_factor"), r.list("long_factor")
		if short != long && r.err == nil {
			return fmt.Errorf("%s: rope_type is \"longrope\" with a long_factor that is not short_factor, which is not implemented", r.place)
		}
		to.Type, to.Factors = "factors", short
		first := r.original(positions, original)
		factor := r.number("factor", float64(positions)/float64(max(first, 1)))
		if to.Attention = r.attention(); to.Attention == 0 && factor > 1 {
			to.Attention = math.Sqrt(1 + math.Log(factor)/math.Log(float64(first)))
		}
	default:
		if r.err == nil {
			return fmt.Errorf("%s: rope_type is %.40q; only \"default\", \"linear\", \"llama3\", \"yarn\" and \"longrope\" are supported", r.place, kind)
		}
	}
	if to.Attention == 1 && to.Type == "factors" {
		to.Attention = 0
	}
	return r.err
}

// original is the number of positions trained on first.
func (r *ropeReader) original(positions, beside int) int {
	n := r.number("original_max_position_embeddings", float64(positions))
	if beside != 0 {
		return beside
	}
	if n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
		r.fail("original_max_position_embeddings", "a whole number")
		return 0
	}
	return int(n)
}

// rest refuses what was not read.
func (r *ropeReader) rest(kind string) error {
	for _, name := range slices.Sorted(maps.Keys(r.keys)) {
		if !r.read[name] && !isNull(r.keys[name]) && name != "rope_type" && name != "type" {
			return fmt.Errorf("%s: %s is %.60s, a setting that is not known here for rope_type %q", r.place, escaped(name), compact(r.keys[name]), orDefault(kind))
		}
	}
	return r.err
}

func orDefault(kind string) string {
	if kind == "" {
		return "default"
	}
	return kind
}

func (r *ropeReader) fail(name, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s is %.60s; expected %s", r.place, name, compact(r.keys[name]), want)
	}
}

// get reads a setting, if it is there and not null.
func (r *ropeReader) get(name string, to any, want string) bool {
	r.read[name] = true
	if isNull(r.keys[name]) {
		return false
	}
	if jsontext.Unmarshal(r.keys[name], to) != nil {
		r.fail(name, want)
		return false
	}
	return true
}

func (r *ropeReader) number(name string, missing float64) (v float64) {
	if !r.get(name, &v, "a number") {
		return missing
	}
	return v
}

// nonzero is number, with zero for missing, as transformers has it.
func (r *ropeReader) nonzero(name string, missing float64) float64 {
	if v := r.number(name, missing); v != 0 {
		return v
	}
	return missing
}

// attention is attention_factor, 0 if it is missing. One that is zero makes all tokens alike to
// transformers, and is what Rope has for a missing one.
func (r *ropeReader) attention() float64 {
	v := r.number("attention_factor", 0)
	if v <= 0 && !isNull(r.keys["attention_factor"]) {
		r.fail("attention_factor", "a positive number")
	}
	return v
}

func (r *ropeReader) truth(name string, missing bool) (v bool) {
	if !r.get(name, &v, "true or false") {
		return missing
	}
	return v
}

func (r *ropeReader) text(name, missing string) (v string) {
	if !r.get(name, &v, "a string") {
		return missing
	}
	return v
}

// list is a list of numbers, as Rope keeps it.
func (r *ropeReader) list(name string) string {
	var numbers []float64
	if !r.get(name, &numbers, "a list of numbers") {
		r.fail(name, "a list of numbers")
		return ""
	}
	texts := make([]string, len(numbers))
	for i, v := range numbers {
		texts[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(texts, ",")
}

// settings are r as transformers reads it from rope_scaling, nil if there is
// nothing to say. What it has no type for is longrope that is the same for texts
// of all lengths.
func (r Rope) settings(positions int) []setting {
	s := []setting{{"rope_type", r.Type}}
	add := func(key string, v float64) {
		if v != 0 {
			s = append(s, setting{key, v})
		}
	}
	switch r.Type {
	case "":
		return nil
	case "factors":
		var factors []json.Number
		for _, v := range strings.Split(r.Factors, ",") {
			factors = append(factors, json.Number(v))
		}
		attention := r.Attention
		if attention == 0 {
			attention = 1
		}
		return []setting{{"rope_type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}, {"factor", 1.0},
			{"attention_factor", attention}, {"original_max_position_embeddings", positions}}
	}
	add("factor", r.Factor)
	if r.Positions != 0 {
		s = append(s, setting{"original_max_position_embeddings", r.Positions})
	}
	add("low_freq_factor", r.LowFreq)
	add("high_freq_factor", r.HighFreq)
	add("beta_fast", r.BetaFast)
	add("beta_slow", r.BetaSlow)
	add("attention_factor", r.Attention)
	if r.Exact {
		s = append(s, setting{"truncate", false})
	}
	return s
}
