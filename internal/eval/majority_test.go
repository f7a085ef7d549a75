package eval

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"
)

// votes counts by hand: the mean of a vote's success over all sets of k of the answers, of
// which 0 is the right one and negative ones are none.
func votes(answers []int, k int) float64 {
	sum, sets := 0.0, 0
	for set := range uint(1) << len(answers) {
		if bits.OnesCount(set) != k {
			continue
		}
		sets++
		count := map[int]int{}
		most := 0
		for i, a := range answers {
			if set>>i&1 == 1 && a >= 0 {
				count[a]++
				most = max(most, count[a])
			}
		}
		tied := 0
		for _, c := range count {
			if c == most {
				tied++
			}
		}
		if count[0] == most && most > 0 {
			sum += 1 / float64(tied)
		}
	}
	return sum / float64(sets)
}

// TestMajAtK compares it with the vote of every set of samples.
func TestMajAtK(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		answers := make([]int, 1+r.IntN(11))
		right, wrong := 0, make([]int, 4)
		for i := range answers {
			switch answers[i] = r.IntN(6) - 1; {
			case answers[i] == 0:
				right++
			case answers[i] > 0:
				wrong[answers[i]-1]++
			}
		}
		for k := 1; k <= len(answers); k++ {
			if got, want := MajAtK(len(answers), right, wrong, k), votes(answers, k); math.Abs(got-want) > 1e-12 {
				t.Errorf("answers %v, k %d: %.15f, want %.15f", answers, k, got, want)
			}
		}
	}
}

func TestMajAtKByHand(t *testing.T) {
	for _, tt := range []struct {
		n, right int
		wrong    []int
		k        int
		want     float64
	}{
		{1, 1, nil, 1, 1},
		{1, 0, []int{1}, 1, 0},
		{4, 0, nil, 4, 0},              // nobody votes
		{3, 1, nil, 3, 1},              // one votes
		{2, 1, []int{1}, 2, 0.5},       // a tie
		{3, 1, []int{1, 1}, 3, 1. / 3}, // of three
		{3, 2, []int{1}, 2, 2. / 3},    // two of {a a}, {a b}, {a b}: 1, 1/2, 1/2
		{5, 2, []int{2, 1}, 5, 0.5},
		{5, 2, []int{3}, 5, 0},
		{1000, 500, []int{500}, 37, 0.5}, // by symmetry
		{1000, 500, []int{500}, 1000, 0.5},
		{999, 333, []int{333, 333}, 100, 1. / 3},
		{2000, 400, []int{400}, 1500, 0.5},
	} {
		if got := MajAtK(tt.n, tt.right, tt.wrong, tt.k); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%+v: %.12f", tt, got)
		}
	}
	for _, tt := range []struct {
		n, right int
		wrong    []int
		k        int
	}{{3, 1, nil, 4}, {3, 1, nil, 0}, {3, -1, nil, 1}, {3, 2, []int{2}, 1}, {3, 1, []int{-1}, 1}} {
		if got := MajAtK(tt.n, tt.right, tt.wrong, tt.k); !math.IsNaN(got) {
			t.Errorf("%+v: %f, want NaN", tt, got)
		}
	}
}

// TestMajAtKOfMany holds it to a bearable time: a problem with 256 answers.
func TestMajAtKOfMany(t *testing.T) {
	wrong := []int{30, 30, 20, 10, 10, 5, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1}
	start := time.Now()
	for k := 1; k <= 256; k *= 2 {
		if got := MajAtK(256, 40, wrong, k); got < 0 || got > 1 {
			t.Errorf("k %d: %f", k, got)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestSummarizeAnswers: votes are of samples with an answer, and maj@1 is pass@1.
func TestSummarizeAnswers(t *testing.T) {
	problems := []Problem{{TaskID: "a", Format: Answers}, {TaskID: "b", Format: Answers}}
	verdict := func(task, right, answer string) Verdict {
		o := Outcome{Kind: Failed, Detail: "found " + answer, Answer: answer}
		if answer == right {
			o = Outcome{Kind: Passed, Answer: answer}
		}
		return NewVerdict(Sample{TaskID: task}, o)
	}
	var verdicts []Verdict
	for i, a := range []string{"1", "1", "2", ""} {
		verdicts = append(verdicts, verdict("a", "1", a), verdict("b", "5", []string{"", "5", "4", "4"}[i]))
	}
	r, err := Summarize(problems, verdicts, []int{1, 3, 4, 5})
	if err != nil {
		t.Fatal(err)
	}
	// k 3 of a: {1 1 2} {1 1 -} {1 2 -} {1 2 -}, of b {- 5 4} {- 5 4} {- 4 4} {5 4 4}.
	want := []float64{(0.5 + 0.25) / 2, (3./4 + 1./4) / 2, (1. + 0) / 2}
	if len(r.MajAtK) != 3 || r.NoAnswer != 2 {
		t.Fatalf("%+v", r)
	}
	for i, m := range r.MajAtK {
		if math.Abs(m.Value-want[i]) > 1e-12 || m.K != r.PassAtK[i].K || m.Method != "bootstrap" || !(m.Low <= m.Value && m.Value <= m.High) {
			t.Errorf("maj@%d: %+v, want %f", m.K, m, want[i])
		}
	}
	if r.MajAtK[0] != r.PassAtK[0] {
		t.Errorf("maj@1 is %+v, pass@1 %+v", r.MajAtK[0], r.PassAtK[0])
	}
	pass, base, maj := r.Curves()
	if len(pass) != len(maj) || base != nil || fmt.Sprint(maj[0]) != fmt.Sprint(r.MajAtK[0]) {
		t.Errorf("curves %v, %v, %v", pass, base, maj)
	}
	one, err := Summarize(problems, verdicts[:2], []int{1})
	if err != nil || one.MajAtK[0].Method != "wilson" || one.MajAtK[0].Value != 0.5 {
		t.Errorf("one sample a problem: %+v, %v", one.MajAtK, err)
	}
	programs, err := Summarize([]Problem{{TaskID: "a"}}, []Verdict{{Sample: Sample{TaskID: "a"}}}, []int{1})
	if err != nil || programs.MajAtK != nil || programs.NoAnswer != 0 {
		t.Errorf("programs: %+v, %v", programs, err)
	}
}
