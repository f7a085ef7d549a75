package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"

	"nfcot/internal/ckpt/jsontext"
)

// What adapter_config.json of Hugging Face's PEFT says: which modules of a model are
// adapted, and how. Names are matched as PEFT 0.21 does.

// An adapterSettings is an adapter_config.json.
type adapterSettings struct {
	kind        string
	base        string
	rank        int
	alpha       float64
	rankStable  bool
	conv1D      bool // PEFT corrects what is wrong here
	ranks       patterns
	alphas      patterns
	targets     names
	exclude     names
	layers      numbers
	layersUnder names
	save        []string
	tokens      tokenRows
	tie         bool
	initial     any // true, false or a name

	also string // a further module that has an adapter: see planner.shareTables
}

// allLinear, of target_modules, stands for all matrices but the table of logits.
const allLinear = "all-linear"

// fields are where keys are read to.
func (c *adapterSettings) fields() map[string]any {
	return map[string]any{
		"peft_type": &c.kind, "base_model_name_or_path": &c.base, "r": &c.rank, "lora_alpha": &c.alpha, "use_rslora": &c.rankStable,
		"fan_in_fan_out": &c.conv1D, "rank_pattern": &c.ranks, "alpha_pattern": &c.alphas, "target_modules": &c.targets,
		"exclude_modules": &c.exclude, "layers_to_transform": &c.layers, "layers_pattern": &c.layersUnder, "modules_to_save": &c.save,
		"trainable_token_indices": &c.tokens, "ensure_weight_tying": &c.tie, "init_lora_weights": &c.initial,
	}
}

// adapterUnset are keys that change the mathematics and are not implemented, with the
// values that leave it alone beside null.
var adapterUnset = map[string]string{
	"use_dora": "false", "bias": `"none"`, "lora_bias": "false", "use_qalora": "false", "alora_invocation_tokens": "null", "megatron_config": "null",
	"layer_replication": "null", "target_parameters": "[]", "use_bdlora": "null", "arrow_config": "null", "kasa_config": "null",
	"monteclora_config": "null",
}

// adapterHarmless are keys that change nothing of what an adapter that is trained
// computes.
var adapterHarmless = []string{
	"auto_mapping", "corda_config", "eva_config", "inference_mode", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core", "peft_version",
	"qalora_group_size", "revision", "runtime_config", "task_type", "velora_config",
}

// initialHarmless are values of init_lora_weights by which the model is left as it is.
// By others (pissa, olora, corda, loftq) PEFT changes its matrices, also as it
// loads an adapter.
var initialHarmless = []any{nil, true, false, "gaussian", "eva", "orthogonal", "mica", "lora_ga"}

// readAdapterSettings reads the adapter_config.json of a folder.
func readAdapterSettings(dir string) (*adapterSettings, error) {
	path := filepath.Join(dir, adapterConfig)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parseAdapterSettings(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// parseAdapterSettings reads an adapter_config.json. A key that is not known is an
// error, unless it is null or false.
func parseAdapterSettings(text []byte) (*adapterSettings, error) {
	keys, err := jsontext.Object(text)
	if err != nil {
		return nil, err
	}
	c := &adapterSettings{rank: 8, alpha: 8, initial: true} // what PEFT assumes of keys that are missing
	fields := c.fields()
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value, field := string(jsontext.Compact(keys[key])), fields[key]
		unset, isUnset := adapterUnset[key]
		switch {
		case value == "null" && key != "r" && key != "lora_alpha":
		case field != nil:
			if value == "null" || jsontext.Unmarshal(keys[key], field) != nil {
				return nil, fmt.Errorf("%s is %.60s; expected %s", key, value, expectedOf(field))
			}
		case isUnset:
			if value != unset {
				return nil, fmt.Errorf("%s is %.60s, which is not implemented; only %s is", key, value, unset)
			}
		case slices.Contains(adapterHarmless, key), value == "false":
		default:
			return nil, fmt.Errorf("%s is %.60s, a setting that is not known here; if it changes nothing of what the model computes, take it out", inLine(key), value)
		}
	}
	return c, c.check()
}

// check says what is wrong with the settings, if anything is.
func (c *adapterSettings) check() error {
	switch {
	case c.kind != "LORA":
		return fmt.Errorf("peft_type is %.40q; only \"LORA\" is supported", c.kind)
	case !slices.Contains(initialHarmless, c.initial):
		return fmt.Errorf("init_lora_weights is %.60q, by which PEFT changes the model's own matrices; save the adapter with path_initial_model_for_weight_conversion", fmt.Sprint(c.initial))
	case c.rank < 1:
		return fmt.Errorf("r is %d; it must be at least 1", c.rank)
	case math.IsNaN(c.alpha) || math.IsInf(c.alpha, 0):
		return fmt.Errorf("lora_alpha is %g; it must be a number", c.alpha)
	case !c.targets.given():
		return errors.New("target_modules is missing; expected names of modules, a pattern, or \"all-linear\"")
	case c.targets.pattern != nil && (c.layers.given || c.layersUnder.given()):
		return errors.New("layers_to_transform and layers_pattern go with a list of target_modules, not with a pattern")
	case c.layersUnder.given() && !c.layers.given:
		return errors.New("layers_pattern goes with layers_to_transform, which is missing")
	}
	return nil
}

// expectedOf says what a field wants.
func expectedOf(field any) string {
	switch field.(type) {
	case *int:
		return "a whole number"
	case *float64:
		return "a number"
	case *bool:
		return "true or false"
	case *string, *any:
		return "a string"
	case *patterns:
		return "an object of module names or patterns (regular expressions) and numbers"
	case *numbers:
		return "a whole number or a list of them"
	case *[]string:
		return "a list of strings"
	case *tokenRows:
		return "a list of token ids, or an object of module names and such lists"
	}
	return "a list of strings, or a pattern (a regular expression)"
}

// names are a list of names, or a pattern for them.
type names struct {
	list    []string
	text    string // of the pattern
	pattern *regexp2.Regexp
}

func (n names) given() bool { return len(n.list) > 0 || n.text != "" }

// UnmarshalJSON reads a list of strings, or a pattern.
func (n *names) UnmarshalJSON(text []byte) (err error) {
	if jsontext.Unmarshal(text, &n.list) == nil {
		return nil
	}
	if err := jsontext.Unmarshal(text, &n.text); err != nil {
		return err
	}
	n.pattern, err = pythonPattern(`\A(?:` + n.text + `)\z`)
	return err
}

// all are the names in a list, or the pattern as the only one.
func (n names) all() []string {
	if n.text != "" {
		return []string{n.text}
	}
	return n.list
}

// has says whether a module is meant: by its name, by the end of it, or by the pattern
// for all of it.
func (n names) has(module string) bool {
	if n.pattern != nil {
		return matches(n.pattern, module)
	}
	return slices.ContainsFunc(n.list, func(name string) bool { return module == name || strings.HasSuffix(module, "."+name) })
}

// patternTime is how long a pattern may take for one name.
const patternTime = 2 * time.Second

// pythonPattern compiles a regular expression of Python's.
func pythonPattern(text string) (*regexp2.Regexp, error) {
	if strings.Contains(text, "{,") {
		return nil, errors.New("{,n} is not supported")
	}
	re, err := regexp2.Compile(text, regexp2.RE2, regexp2.OptionMaxBacktrackingStackSize(-1))
	if err == nil {
		re.MatchTimeout = patternTime
	}
	return re, err
}

// matches says whether a pattern matches; one that takes too long does not.
func matches(re *regexp2.Regexp, text string) bool {
	ok, err := re.MatchString(text)
	return ok && err == nil
}

// patterns are numbers by names or patterns, in the order of the file: the first that
// matches counts.
type patterns []patternNumber

type patternNumber struct {
	key     string
	pattern *regexp2.Regexp
	number  float64
}

// UnmarshalJSON reads an object of numbers.
func (p *patterns) UnmarshalJSON(text []byte) error {
	*p = nil
	return eachMember(text, func(key string, value json.RawMessage) error {
		n := patternNumber{key: key}
		if string(value) == "null" {
			return errors.New("found null, expected a number")
		}
		if err := jsontext.Unmarshal(value, &n.number); err != nil {
			return err
		}
		var err error
		n.pattern, err = pythonPattern(`\A(.*\.)?(` + key + `)$`)
		*p = append(*p, n)
		return err
	})
}

// of is the number of a module, otherwise where none is given.
func (p patterns) of(module string, otherwise float64) float64 {
	for _, n := range p {
		if matches(n.pattern, module) {
			return n.number
		}
	}
	for _, n := range p {
		if n.key == module {
			return n.number
		}
	}
	return otherwise
}

// numbers are a number or several.
type numbers struct {
	given bool
	list  []int
}

// UnmarshalJSON reads a number or a list of them. An empty list says nothing.
func (n *numbers) UnmarshalJSON(text []byte) error {
	one := make([]int, 1)
	if jsontext.Unmarshal(text, &one[0]) == nil {
		*n = numbers{true, one}
		return nil
	}
	err := jsontext.Unmarshal(text, &n.list)
	n.given = len(n.list) > 0
	return err
}

// tokenRows are the tokens whose rows are trained, of each table; "" is the embeddings'.
type tokenRows []tableRows

type tableRows struct {
	module string
	ids    []int
}

// UnmarshalJSON reads a list of ids, or an object of them.
func (t *tokenRows) UnmarshalJSON(text []byte) error {
	var ids []int
	if jsontext.Unmarshal(text, &ids) == nil {
		*t = tokenRows{{"", ids}}
		return nil
	}
	*t = nil
	return eachMember(text, func(key string, value json.RawMessage) error {
		rows := tableRows{module: key}
		*t = append(*t, tableRows{})
		defer func() { (*t)[len(*t)-1] = rows }()
		return jsontext.Unmarshal(value, &rows.ids)
	})
}

// eachMember goes through an object in the order of its text.
func eachMember(text []byte, do func(key string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return errors.Join(errors.New("not an object"), err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := do(key.(string), value); err != nil {
			return err
		}
	}
	return nil
}

// layer is the number of the block that a module is in, as PEFT finds it; -1: in none.
func (c *adapterSettings) layer(module string) int {
	patterns := []string{`[^.]*`}
	if c.layersUnder.given() {
		patterns = c.layersUnder.all()
	}
	for _, under := range patterns {
		re, err := pythonPattern(`\A(?:.*?\.)??` + under + `\.(\d+)\.`)
		if err != nil {
			return -1
		}
		if m, err := re.FindStringMatch(module); err == nil && m != nil {
			groups := m.Groups()
			n, err := strconv.Atoi(groups[len(groups)-1].String())
			if err == nil {
				return n
			}
		}
	}
	return -1
}

// saves says whether a module, or one that it is a part of, is kept whole.
func (c *adapterSettings) saves(module string) bool {
	for name := module; ; name = name[:strings.LastIndex(name, ".")] {
		if slices.ContainsFunc(c.save, func(end string) bool { return strings.HasSuffix(name, end) }) {
			return true
		}
		if !strings.Contains(name, ".") {
			return false
		}
	}
}

// adapts says whether a module, a table of logits or not, has an adapter.
func (c *adapterSettings) adapts(module string, matrix, logits bool) bool {
	if c.exclude.given() && c.exclude.has(module) || c.saves(module) {
		return false
	}
	switch {
	case module == c.also:
		return true
	case strings.EqualFold(c.targets.text, allLinear):
		return matrix && !logits
	case !c.targets.has(module):
		return false
	case !c.layers.given, slices.Contains(c.targets.list, module):
		return true
	}
	return slices.Contains(c.layers.list, c.layer(module))
}

// rankOf is the rank of a module's adapter, and scaleOf what its product is scaled by.
func (c *adapterSettings) rankOf(module string) int { return int(c.ranks.of(module, float64(c.rank))) }

func (c *adapterSettings) scaleOf(module string) float64 {
	alpha, rank := c.alphas.of(module, c.alpha), float64(c.rankOf(module))
	if c.rankStable {
		return alpha / math.Sqrt(rank)
	}
	return alpha / rank
}
