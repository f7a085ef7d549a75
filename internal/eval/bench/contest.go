package bench

// This file has the prompts for LiveCodeBench. Headings and layout are those of
// its own harness. The solved example that base models see first, and the words
// that instruct a model, are ours: a difference to the scores of that harness.

import (
	"strings"

	"nfcot/internal/eval"
)

// A contestQuestion is what a prompt shows of a problem. Problems with code to
// start from want a method, the others a program that reads standard input.
type contestQuestion struct {
	Content, Starter string
}

// questionOf is that of a problem.
func questionOf(p eval.Problem) (q contestQuestion) {
	decode(p, map[string]any{"question_content": &q.Content, "starter_code": &q.Starter})
	return q
}

// The solved examples, for programs and for methods.
var (
	exampleProgram = contestQuestion{Content: "Each of the N numbered boxes holds some marbles. Print the number of the box with the most marbles. If several boxes have the most, print the smallest of their numbers.\n\n" +
		"The first line of the input is N. The second line has N integers, the marbles of box 1 to box N.\n\nSample Input\n4\n3 8 2 8\n\nSample Output\n2"}
	exampleProgramAnswer = "n = int(input())\nmarbles = list(map(int, input().split()))\nprint(marbles.index(max(marbles)) + 1)"

	exampleMethod = contestQuestion{Content: "Given a list of integers marbles, where marbles[i] is the number of marbles in box i, return the index of the box with the most marbles. If several boxes have the most, return the smallest of their indices.\n\n" +
		"Example:\nInput: marbles = [3, 8, 2, 8]\nOutput: 1",
		Starter: "class Solution:\n    def fullestBox(self, marbles: List[int]) -> int:\n        "}
	exampleMethodAnswer = "class Solution:\n    def fullestBox(self, marbles: List[int]) -> int:\n        return marbles.index(max(marbles))"
)

// contestPrompt shows a solved example of the same sort and then asks.
func contestPrompt(p eval.Problem) string {
	q := questionOf(p)
	example, answer := exampleProgram, exampleProgramAnswer
	if q.Starter != "" {
		example, answer = exampleMethod, exampleMethodAnswer
	}
	return example.ask() + answer + "\n\n" + q.ask()
}

func (q contestQuestion) ask() string {
	var b strings.Builder
	b.WriteString("### Question\n" + q.Content + "\n\n")
	if q.Starter != "" {
		b.WriteString("### Starter Code\n" + q.Starter + "\n\n")
	}
	b.WriteString("### Answer\n\n")
	return b.String()
}

// instruction asks a model that follows instructions for a program between code fences.
func instruction(p eval.Problem) string {
	q := questionOf(p)
	format, start := "Write a program that reads its input from standard input and prints its answer. Put all of it between code fences like these.", "# the program"
	if q.Starter != "" {
		format, start = "Complete the code below. Put all of it between code fences like these.", q.Starter
	}
	return "Solve the following programming problem in Python, correctly and fast enough for its limits. Answer with the program alone.\n\n" +
		"### Question:\n" + q.Content + "\n\n### Format: " + format + "\n```python\n" + start + "\n```\n\n" +
		"### Answer: (use the provided format with backticks)\n\n"
}
