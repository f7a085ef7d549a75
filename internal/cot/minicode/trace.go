package minicode

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// A trace runs a straight-line program on two registers, modulo m; the function
// asked for is x*a + b with their final values. The thought after each step is
// the state of the registers.
type trace struct {
	start        registers
	instructions []instruction
	m            int
}

// registers are the values of a and b.
type registers [2]int

func (s registers) String() string { return fmt.Sprintf("a %d b %d", s[0], s[1]) }

// An instruction changes one register by a constant, or by the other register
// if the constant is 0.
type instruction struct {
	target   int // 0 for a, 1 for b
	operator byte
	constant int
}

func drawTrace(r *rand.Rand, s scale) problem {
	p := trace{m: s.size, instructions: make([]instruction, s.numSteps(r))}
	for i := range p.start {
		p.start[i] = 1 + r.IntN(s.size-1)
	}
	for i := range p.instructions {
		p.instructions[i] = drawInstruction(r, s.size)
	}
	return p
}

func drawInstruction(r *rand.Rand, m int) instruction {
	in := instruction{target: r.IntN(2), operator: "+-*"[r.IntN(3)]}
	switch {
	case in.operator == '*':
		in.constant = 2 + r.IntN(m-2)
	case r.IntN(3) == 0:
		in.constant = 1 + r.IntN(m-1)
	}
	return in
}

func parseTrace(sentence string, lines []string, s scale) problem {
	p := trace{m: s.size}
	var m int
	fmt.Sscanf(sentence, "Trace x * a + b modulo %d from a %d b %d", &m, &p.start[0], &p.start[1])
	for _, line := range lines {
		var i int
		var target, operator byte
		var operand string
		fmt.Sscanf(line, "%d) %c %c= %s", &i, &target, &operator, &operand)
		in := instruction{operator: operator}
		if target == 'b' {
			in.target = 1
		}
		in.constant, _ = strconv.Atoi(operand) // 0 for a register
		p.instructions = append(p.instructions, in)
	}
	return p
}

func (in instruction) String() string {
	operand := "ba"[in.target : in.target+1]
	if in.constant != 0 {
		operand = fmt.Sprint(in.constant)
	}
	return fmt.Sprintf("%c %c= %s", "ab"[in.target], in.operator, operand)
}

// apply returns the state after an instruction.
func (s registers) apply(in instruction, m int) registers {
	operand := s[1-in.target]
	if in.constant != 0 {
		operand = in.constant
	}
	switch in.operator {
	case '+':
		s[in.target] = (s[in.target] + operand) % m
	case '-':
		s[in.target] = (s[in.target] + m - operand) % m
	case '*':
		s[in.target] = s[in.target] * operand % m
	}
	return s
}

func (p trace) prompt() string {
	var lines []string
	for i, in := range p.instructions {
		lines = append(lines, fmt.Sprintf("%d) %s", i+1, in))
	}
	return promptText("x", fmt.Sprintf("Trace x * a + b modulo %d from %s", p.m, p.start), lines)
}

// chain goes forward, the only order in which the state is known.
func (p trace) chain(order) []string {
	_, lines := p.run()
	return lines
}

// run returns the final state and a line for each instruction.
func (p trace) run() (registers, []string) {
	state := p.start
	var lines []string
	for i, in := range p.instructions {
		state = state.apply(in, p.m)
		lines = append(lines, fmt.Sprintf("%d) %s -> %s", i+1, in, state))
	}
	return state, lines
}

func (p trace) result() affine {
	state, _ := p.run()
	return affine{state[0], state[1], p.m}
}

func (p trace) answer() string { return p.result().answer() }

func (p trace) test() string { return p.result().test() }
