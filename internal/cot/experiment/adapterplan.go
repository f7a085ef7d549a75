package experiment

import (
	"fmt"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/transformer"
)

// adapterPrefix stands before the names that tensors of adapters have in a model.
const adapterPrefix = "base_model.model."

// A planner finds what an adapter changes in a model, and that its file has the
// tensors for it and no others.
type planner struct {
	*adapterSettings
	file    *ckpt.File
	model   transformer.Config
	modules []transformer.Module
	table   string // the module of the embeddings
	unused  map[string]bool
	vocab   int  // rows of the tables by now
	tied    bool // the tables are still one
	changes []transformer.Change
}

// head is the table of logits, as a module.
const head = "lm_head"

// plan is what an adapter does to a model, and the shape of what comes of it.
func (c *adapterSettings) plan(file *ckpt.File, model transformer.Config) ([]transformer.Change, transformer.Config, error) {
	settings := *c // which what is tied changes
	p := &planner{adapterSettings: &settings, file: file, model: model, modules: model.Modules(), table: model.Table(), unused: map[string]bool{}, vocab: model.Vocab, tied: model.Tied}
	for _, name := range file.Names() {
		p.unused[name] = true
	}
	err := p.run()
	model.Vocab, model.Tied = p.vocab, p.tied
	return p.changes, model, err
}

func (p *planner) run() error {
	if len(p.unused) == 0 {
		return fmt.Errorf("%s: holds no tensors", p.file)
	}
	if err := p.checkPatterns(); err != nil {
		return err
	}
	tables, err := p.shareTables()
	if err != nil {
		return err
	}
	for _, m := range p.modules {
		if err := p.whole(m); err != nil {
			return err
		}
	}
	for _, m := range p.modules {
		if m.Name == head && p.tied {
			continue // it is the embeddings'
		}
		if err := p.adapter(m); err != nil {
			return err
		}
	}
	for _, rows := range tables {
		if err := p.rows(rows); err != nil {
			return err
		}
	}
	if p.tied {
		if err := p.dropCopies(); err != nil {
			return err
		}
	}
	for _, name := range p.file.Names() {
		if p.unused[name] {
			return fmt.Errorf("%s: tensor %q is no part of an adapter for this model by %s", p.file, name, adapterConfig)
		}
	}
	return nil
}

// checkPatterns refuses patterns that take too long.
func (p *planner) checkPatterns() error {
	all := map[string]names{"target_modules": p.targets, "exclude_modules": p.exclude}
	for _, set := range []patterns{p.ranks, p.alphas} {
		for _, n := range set {
			all[n.key] = names{pattern: n.pattern}
		}
	}
	for key, n := range all {
		for _, m := range p.modules {
			if n.pattern == nil {
				break
			}
			if _, err := n.pattern.MatchString(m.Name); err != nil {
				return fmt.Errorf("%s: the pattern of %.60s takes more than %s for %s", p.file, inLine(key), patternTime, m.Name)
			}
		}
	}
	return nil
}

// shareTables settles whether the tables of a tied model are still one, and returns
// the rows of which tables are trained. PEFT wraps one of the two, and leaves the
// other as the model has it, unless it ties them itself.
func (p *planner) shareTables() (tokenRows, error) {
	rows := slices.Clone(p.tokens)
	for i, r := range rows {
		if r.module == "" {
			rows[i].module = p.table
		}
		if rows[i].module = p.find(rows[i].module); rows[i].module == "" {
			return nil, fmt.Errorf("%s: trainable_token_indices names %.60s; expected %s or %s", p.file, inLine(r.module), p.table, head)
		}
	}
	if !p.model.Tied {
		return rows, nil
	}
	touched := func(module string) bool {
		return p.saves(module) || p.adapts(module, module == head, module == head)
	}
	if p.tie && p.tiesByName() {
		if p.saves(head) {
			p.save = append(slices.Clone(p.save), p.table)
		} else if !p.saves(p.table) {
			p.also = p.table
		}
		if p.scaleOf(p.table) != p.scaleOf(head) || p.rankOf(p.table) != p.rankOf(head) {
			return nil, fmt.Errorf("%s: ensure_weight_tying with other ranks or scales for %s than for %s is not supported", p.file, p.table, head)
		}
	} else {
		p.tied = !touched(p.table) && !touched(head)
	}
	switch {
	case len(rows) == 1 && rows[0].module == head, len(rows) > 1 && !slices.Equal(rows[0].ids, rows[1].ids):
		p.tied = false
	case len(rows) > 1:
		rows = tokenRows{{p.table, rows[0].ids}}
	}
	if !p.tied && len(rows) == 1 && rows[0].module == p.table {
		return nil, fmt.Errorf("%s: trainable_token_indices beside another change of a tied table is not supported", p.file)
	}
	return rows, nil
}

// tiesByName says whether the settings name one of the tables, by the names that PEFT
// looks for.
func (p *planner) tiesByName() bool {
	for _, table := range []string{"embed_tokens", head} {
		if p.targets.pattern != nil && matches(p.targets.pattern, table) {
			return true
		}
		for _, name := range slices.Concat(p.targets.list, p.save) {
			if name[strings.LastIndex(name, ".")+1:] == table {
				return true
			}
		}
	}
	return false
}

// find is the table whose name ends so, "" if there is none.
func (p *planner) find(end string) string {
	for _, table := range []string{p.table, head} {
		if strings.HasSuffix(table, end) {
			return table
		}
	}
	return ""
}

// use is the file's name of a tensor, and whether it has it.
func (p *planner) use(name string) (string, bool) {
	name = adapterPrefix + name
	has := p.file.Has(name)
	delete(p.unused, name)
	return name, has
}

// need is use where the tensor must be there.
func (p *planner) need(name, promisedBy string) (string, error) {
	theirs, has := p.use(name)
	if !has {
		return "", fmt.Errorf("%s: has no tensor %q, which %s in %s promises", p.file, theirs, promisedBy, adapterConfig)
	}
	return theirs, nil
}

// whole finds tensors that take the place of a module's: those of modules_to_save, and
// those of tables, which PEFT stores where it knows that they are changed.
func (p *planner) whole(m transformer.Module) error {
	isTable := m.Name == p.table || m.Name == head
	saved := p.saves(m.Name)
	if m.Name == head && p.tied {
		return nil // dropCopies
	}
	for _, end := range m.Tensors {
		change := transformer.Change{Tensor: m.Name + "." + end}
		if saved {
			theirs, err := p.need(change.Tensor, "modules_to_save")
			if err != nil {
				return err
			}
			change.Whole = theirs
			p.use(m.Name + ".modules_to_save." + end) // copies, where a table was resized
			p.use(m.Name + ".original_module." + end)
		} else if isTable {
			if change.Whole = p.underlying(m.Name); change.Whole == "" && p.model.Tied {
				change.Whole = p.underlying(p.other(m.Name))
			}
		}
		if change.Whole == "" {
			continue
		}
		if isTable {
			shape, err := p.file.Shape(change.Whole)
			if err != nil || len(shape) != 2 || shape[0] < p.model.Vocab {
				return fmt.Errorf("%s: tensor %q: has shape %v; expected [%d %d]", p.file, change.Whole, shape, p.model.Vocab, p.model.Hidden)
			}
			p.vocab = max(p.vocab, shape[0])
		}
		p.changes = append(p.changes, change)
	}
	return nil
}

// other is the other one of the two tables.
func (p *planner) other(table string) string {
	if table == head {
		return p.table
	}
	return head
}

// underlying is the table under an adapter's changes, "" where the file has none: it is the
// model's.
func (p *planner) underlying(table string) string {
	within := []string{"", "base_layer.", "token_adapter.base_layer."}
	if p.saves(table) {
		within = []string{"original_module."}
	}
	for _, w := range within {
		if theirs, has := p.use(table + "." + w + "weight"); has {
			return theirs
		}
	}
	return ""
}

// adapter finds the matrices of a module's adapter, if it has one.
func (p *planner) adapter(m transformer.Module) error {
	if !p.adapts(m.Name, m.Kind == transformer.Matrix, m.Name == head) {
		return nil
	}
	a, b := ".lora_A.weight", ".lora_B.weight"
	switch m.Kind {
	case transformer.Norm:
		return fmt.Errorf("%s: target_modules has %s, which is neither a matrix nor an embedding", p.file, m.Name)
	case transformer.Embedding:
		a, b = ".lora_embedding_A", ".lora_embedding_B"
	}
	change := transformer.Change{Tensor: m.Name + ".weight", Rank: p.rankOf(m.Name), Scale: p.scaleOf(m.Name), Embedding: m.Kind == transformer.Embedding}
	if change.Rank < 1 {
		return fmt.Errorf("%s: the rank of %s is %d; it must be at least 1", p.file, m.Name, change.Rank)
	}
	var err error
	if change.A, err = p.need(m.Name+a, "target_modules"); err != nil {
		return err
	}
	if change.B, err = p.need(m.Name+b, "target_modules"); err != nil {
		return err
	}
	p.changes = append(p.changes, change)
	return nil
}

// rows finds the rows of a table that are replaced.
func (p *planner) rows(r tableRows) error {
	theirs, err := p.need(r.module+".token_adapter.trainable_tokens_delta", "trainable_token_indices")
	if err != nil {
		return err
	}
	for _, id := range r.ids {
		if id < 0 {
			return fmt.Errorf("%s: trainable_token_indices has %d; expected ids of tokens", p.file, id)
		}
		p.vocab = max(p.vocab, id+1)
	}
	p.changes = append(p.changes, transformer.Change{Tensor: r.module + ".weight", Rows: r.ids, Delta: theirs})
	return nil
}

// dropCopies passes over what PEFT stores for the table of logits of a tied model: it
// is that of the embeddings, which must be the same.
func (p *planner) dropCopies() error {
	for _, tensor := range []string{"weight", "base_layer.weight", "token_adapter.base_layer.weight", "token_adapter.trainable_tokens_delta"} {
		copied, has := p.use(head + "." + tensor)
		if !has {
			continue
		}
		mine, ok := p.use(p.table + "." + tensor)
		x, _, errX := p.file.Float32(copied)
		if y, _, errY := p.file.Float32(mine); !ok || errX != nil || errY != nil || !slices.Equal(x, y) {
			return fmt.Errorf("%s: tensor %q: is not the same as %q, and the model is tied", p.file, copied, mine)
		}
	}
	if _, has := p.use(p.table + ".lora_embedding_A"); has && p.tie {
		p.use(head + ".lora_A.weight")
		p.use(head + ".lora_B.weight")
	}
	return nil
}
