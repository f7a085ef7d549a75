package minicode

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"nfcot/internal/cot"
)

// This file turns problems into examples: which random numbers an example gets,
// which split it belongs to, and that none comes twice. It knows nothing of
// what the problems are about.

var splits = []string{"train", "dev", "test"}

// exhausted is how many draws in a row may bring nothing new before a split
// counts as used up.
const exhausted = 100_000

// Examples returns n examples of a split: "train", "dev" or "test". Which split
// a problem belongs to is a property of its prompt alone, so the splits are
// disjoint whatever the seeds.
//
// The families take turns, and an example depends only on the seed, its family,
// level and split and on its index within the family: the first 100 of 1000
// examples are those of a call with n = 100, and a family's examples are the
// same whatever other families are drawn with it. Of a variant all but task_ids and chains
// are the benchmark's. No prompt comes twice in one
// call, except in train once the family has no unseen problem left; in dev and
// test that is an error.
func (s Spec) Examples(split string, seed uint64, n int) ([]cot.Example, error) {
	var examples []cot.Example // of n, which may be any number
	for ex, err := range s.Each(split, seed, n) {
		if err != nil {
			return nil, err
		}
		examples = append(examples, ex)
	}
	return examples, nil
}

// Each yields the examples of Examples, one after the other, up to an error.
func (s Spec) Each(split string, seed uint64, n int) iter.Seq2[cot.Example, error] {
	return func(yield func(cot.Example, error) bool) {
		sources, err := s.sources(split, seed, n)
		if err != nil {
			yield(cot.Example{}, err)
			return
		}
		for i := range n {
			if ex, err := sources[i%len(sources)].next(); !yield(ex, err) || err != nil {
				return
			}
		}
	}
}

// sources are those of the families, for n examples.
func (s Spec) sources(split string, seed uint64, n int) ([]*source, error) {
	if err := s.validate(); err != nil {
		return nil, nameError(s.String(), err.Error())
	}
	if !slices.Contains(splits, split) {
		return nil, fmt.Errorf("%s: unknown split %q; want one of %s", s, split, strings.Join(splits, ", "))
	}
	if n < 0 {
		return nil, fmt.Errorf("%s: asked for %d examples; want 0 or more", s, n)
	}
	sources := make([]*source, len(s.Families))
	for i, name := range s.Families {
		f, sc := lookup(name, s.Level)
		sources[i] = &source{family: f, scale: sc, spec: s, split: split, seed: seed, seen: map[string]bool{}}
	}
	return sources, nil
}

// A source yields the examples of one family, level and split, by index.
type source struct {
	family
	scale
	spec  Spec
	split string
	seed  uint64

	index int             // of the next example
	seen  map[string]bool // prompts given out
	empty bool            // no unseen prompt is left
}

func (s *source) next() (cot.Example, error) {
	r := generator(s.seed, s.name, s.spec.Level, s.split, s.index)
	p, prompt := s.unseen(r)
	if s.empty && s.split != "train" {
		return cot.Example{}, fmt.Errorf("%s:%s:%s: the %s split has no more than about %d different problems; ask for fewer or for a harder level",
			benchmark, s.name, s.spec.Level, s.split, len(s.seen))
	}
	orders := s.spec.Variant.orders(s.scale)
	ex := exampleOf(p, fmt.Sprintf("%s/%d", s.spec.folder(s.name, s.split), s.index), orders[r.IntN(len(orders))], s.spec.Variant)
	s.seen[prompt] = true
	s.index++
	return ex, nil
}

// exampleOf is a problem as an example, thought about in an order.
func exampleOf(p problem, taskID string, o order, v Variant) cot.Example {
	return cot.Example{TaskID: taskID, Prompt: p.prompt(), CoT: thought(p, o, v), Answer: p.answer(), EntryPoint: "f", Test: p.test()}
}

// thought is the chain of thought of a problem in an order.
func thought(p problem, o order, v Variant) string {
	return strings.Join(append(v.plan(o), p.chain(o)...), "\n")
}

// unseen draws problems until one is of this split and new. Once there are no
// new ones, which it records, any problem of the split will do.
func (s *source) unseen(r *rand.Rand) (problem, string) {
	for fruitless := 0; ; fruitless++ {
		p := s.draw(r, s.scale)
		prompt := p.prompt()
		s.empty = s.empty || fruitless == exhausted
		if splitOf(prompt) == s.split && (s.empty || !s.seen[prompt]) {
			return p, prompt
		}
	}
}

// splitOf says which split a prompt belongs to: one in ten is for test, one in
// ten for dev, the rest for train.
func splitOf(prompt string) string {
	sum := sha256.Sum256([]byte(prompt))
	switch binary.BigEndian.Uint64(sum[:]) % 10 {
	case 0:
		return "test"
	case 1:
		return "dev"
	default:
		return "train"
	}
}

// generator returns the random numbers that belong to a key: a PCG seeded with
// the key's hash, so that neighbouring keys have nothing in common.
func generator(key ...any) *rand.Rand {
	sum := sha256.Sum256(fmt.Appendln(nil, key...))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}
