// Package multiply makes problems of multiplication with chains of thought, in the format
// of arXiv 2405.14838 (implicit chain of thought), whose published test sets package bench
// reads, for factors of any numbers of digits. A problem of 4x4 digits in that format is a line
//
//	7 6 9 2 * 1 6 3 6||7 6 9 2 0 + 0 2 0 8 7 1 ( 7 8 9 0 8 1 ) + ... #### 7 8 0 3 7 8 8 1
//
// Numbers have their lowest digit first. The chain is the first factor times each digit of
// the second, as many zeros before it as the digit's place, and in brackets the sum so far.
// As an example of ours a problem has
//
//   - the prompt `7 6 9 2 * 1 6 3 6`,
//   - the chain with a line for every part: `7 6 9 2 0`, `+ 0 2 0 8 7 1`, `( 7 8 9 0 8 1 )`
//     and so on; joined by blanks the lines are the published chain,
//   - the answer `7 8 0 3 7 8 8 1`, without a line end.
//
// GPT-2's pre-tokenisation makes a token of every digit and sign, so that all problems of a
// size have equally many tokens, line by line. No pair of factors of the published test sets
// comes in any example, nor the pair the other way round.
package multiply

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
	"nfcot/internal/eval/bench"
)

// benchmark is what every name of a size starts with.
const benchmark = "multiply"

// A Size is the number of digits of both factors, from 1 to mostDigits.
type Size struct{ First, Second int }

// mostDigits are those of factors whose products fit into 64 bits.
const mostDigits = 9

// publishedSizes are those that have a published test set.
var publishedSizes = []Size{{4, 4}, {5, 5}}

// String is the size as names have it.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.First, s.Second) }

// IsName tells names of this benchmark from those of others.
func IsName(name string) bool {
	return name == benchmark || strings.HasPrefix(name, benchmark+":")
}

// ParseName reads multiply:4x4, or any other size.
func ParseName(name string) (Size, error) {
	for first := 1; first <= mostDigits; first++ {
		for second := 1; second <= mostDigits; second++ {
			if s := (Size{first, second}); name == benchmark+":"+s.String() {
				return s, nil
			}
		}
	}
	return Size{}, fmt.Errorf("benchmark %q: want %s:NxM, the digits of both factors, 1 to %d each: %s:4x4", name, benchmark, mostDigits, benchmark)
}

// Lines are n examples of the size that has a name, as files have them.
func Lines(name, split string, seed uint64, n int) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		s, err := ParseName(name)
		if err != nil {
			yield(nil, err)
			return
		}
		for ex, err := range s.Each(split, seed, n) {
			if !yield(ex, err) || err != nil {
				return
			}
		}
	}
}

// Benchmark makes n problems of the size that has a name, whose answers are to be compared.
func Benchmark(name, split string, seed uint64, n int) (*bench.Benchmark, error) {
	s, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	examples, err := s.Examples(split, seed, n)
	problems := make([]eval.Problem, len(examples))
	for i, ex := range examples {
		problems[i] = eval.Problem{TaskID: ex.TaskID, Prompt: ex.Prompt, CanonicalSolution: ex.Answer, Format: eval.Answers}
	}
	return bench.Questions(name, answer.Exact, problems...), err
}

// example is the problem of two factors.
func (s Size) example(a, b int) cot.Example {
	return cot.Example{Prompt: digits(a, s.First) + times + digits(b, s.Second), CoT: strings.Join(s.chain(a, b), "\n"), Answer: digits(a*b, s.First+s.Second)}
}

// times stands between the factors of a prompt.
const times = " * "

// Chains is the chain of thought of a prompt, the only one that it has; nil if it is no prompt
// of this benchmark.
func Chains(_, prompt string) []cot.Chain {
	first, second, _ := strings.Cut(prompt, times)
	a, b := value(first), value(second)
	if a < 0 || b < 0 {
		return nil
	}
	s := Size{len(strings.Fields(first)), len(strings.Fields(second))}
	return []cot.Chain{{Text: strings.Join(s.chain(a, b), "\n")}}
}

// chain is the chain of thought of two factors, a line for every part.
func (s Size) chain(a, b int) []string {
	var lines []string
	sum, place := 0, 1
	for i := range s.Second {
		part := a * (b / place % 10) * place
		width := s.First + 1 + i
		if i == 0 {
			lines = append(lines, digits(part, width))
		} else {
			lines = append(lines, "+ "+digits(part, width))
		}
		sum, place = sum+part, 10*place
		if i > 0 && i < s.Second-1 {
			lines = append(lines, "( "+digits(sum, width)+" )")
		}
	}
	return lines
}

// digits are those of a number, so many, the lowest first and parted by blanks.
func digits(x, width int) string {
	text := []byte(fmt.Sprintf("%0*d", width, x))
	slices.Reverse(text)
	return strings.Join(strings.Split(string(text), ""), " ")
}

// value reads what digits writes; it is negative for any other text, and for more than mostDigits.
func value(text string) int {
	all := strings.Split(text, " ")
	if len(all) > mostDigits {
		return -1
	}
	n, place := 0, 1
	for _, digit := range all {
		if len(digit) != 1 || digit[0] < '0' || digit[0] > '9' {
			return -1
		}
		n, place = n+place*int(digit[0]-'0'), 10*place
	}
	return n
}
