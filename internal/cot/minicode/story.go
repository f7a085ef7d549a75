package minicode

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A story is a fold told in sentences of English: an animal moves on a ring of m stones.
// Its chain of thought is the fold's, so that the sentences have to be understood first: what
// a model that has read English brings with it.
type story struct {
	fold
	animal string
	told   []string // a sentence for each step
}

var animals = []string{"beetle", "frog", "snail", "crab", "duck", "mouse"}

// tellings are the sentences for each of foldWords. The number stands in the place of %d, with a
// space before it.
var tellings = map[string][]string{
	"plus": {"It moves %d stones forward.", "Then it goes on by %d stones.", "After a rest it is %d stones further on.", "The wind pushes it %d stones ahead."},
	"minus": {"It turns round and goes %d stones back.", "A noise sends it %d stones back.", "It falls behind by %d stones.",
		"To look for food it goes back %d stones."},
	"times": {"It jumps to the stone with %d times the number of its own.", "It is carried to the stone whose number is %d times its own.",
		"In a dream the number of its stone is taken %d times, and there it wakes up."},
}

func drawStory(r *rand.Rand, s scale) problem {
	p := story{fold: drawFold(r, s).(fold), animal: animals[r.IntN(len(animals))]}
	for _, step := range p.steps {
		word, number, _ := strings.Cut(step.text, " ")
		sentences := tellings[word]
		p.told = append(p.told, tell(sentences[r.IntN(len(sentences))], number))
	}
	return p
}

// tell puts a number into a sentence.
func tell(sentence, number string) string {
	told := strings.Replace(sentence, "%d", number, 1)
	if number == "1" {
		told = strings.Replace(told, "stones", "stone", 1)
	}
	return told
}

func parseStory(sentence string, lines []string, s scale) problem {
	p := story{fold: fold{m: s.size}, told: lines}
	fmt.Sscanf(sentence, "A %s ", &p.animal)
	for _, line := range lines {
		told, ok := understand(line, s.size)
		if !ok {
			return nil
		}
		p.steps = append(p.steps, told)
	}
	return p
}

// understand is the step that a sentence tells.
func understand(line string, m int) (told step[affine], ok bool) {
	for _, word := range foldWords {
		for _, sentence := range tellings[word] {
			for c := range m {
				if line == tell(sentence, strconv.Itoa(c)) {
					return foldStep(word, c, m), true
				}
			}
		}
	}
	return told, false
}

func (p story) prompt() string {
	return promptText("x", fmt.Sprintf("A %s sits on stone x of a ring of %d stones with numbers from 0. Return where it ends", p.animal, p.m), p.told)
}
