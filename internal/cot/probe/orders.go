package probe

import (
	"slices"

	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// Orders say in which order samples set out to think, of the problems that may be thought about in several: which of
// the valid chains the first thought is read back as. A first thought that several chains begin with counts for the
// one of them that most thoughts follow.
type Orders struct {
	Valid    eval.Estimate   `json:"valid"`    // share of samples whose first thought is that of a chain
	Shares   []OrderShare    `json:"shares"`   // of the samples, which add up to Valid
	Problems []ProblemOrders `json:"problems"` // that have several chains
}

// An OrderShare is the share of samples that begin in an order.
type OrderShare struct {
	Order string        `json:"order"`
	Share eval.Estimate `json:"share"`
}

// ProblemOrders count the samples of a problem that begin in each order.
type ProblemOrders struct {
	TaskID  string         `json:"task_id"`
	Samples map[string]int `json:"samples"` // by order
}

// ordersOf counts the orders of all samples, of which lines are what is read in their thoughts; nil if no problem has
// several chains.
func (p *Probe) ordersOf(lines [][]string, chains [][]chain) *Orders {
	x := new(Orders)
	for i, own := range chains {
		if len(own) < 2 {
			continue
		}
		counts := map[string]int{}
		for _, c := range own {
			counts[c.order] = 0
			if !slices.ContainsFunc(x.Shares, func(s OrderShare) bool { return s.Order == c.order }) {
				x.Shares = append(x.Shares, OrderShare{Order: c.order})
			}
		}
		for _, sample := range lines[i*p.N : (i+1)*p.N] {
			if order, ok := begins(sample, own); ok {
				counts[order]++
			}
		}
		x.Problems = append(x.Problems, ProblemOrders{p.Bench.Problems[i].TaskID, counts})
	}
	if len(x.Problems) == 0 {
		return nil
	}
	for i := range x.Shares {
		s := &x.Shares[i]
		s.Share = eval.MeanOverSeeds([][]float64{x.Of(s.Order, p.N)})
	}
	x.Valid = eval.MeanOverSeeds([][]float64{x.Of("", p.N)})
	return x
}

// begins is the order of the chain that a sample's first thought is of; ok is false if there is none.
func begins(lines []string, chains []chain) (order string, ok bool) {
	most := 0
	for _, c := range chains {
		if n := c.agrees(lines); lines[0] == c.lines[0] && n > most {
			order, most = c.order, n
		}
	}
	return order, most > 0
}

// Of is the share of the samples that begin in an order, "" for any of them, of each problem; n is the number of
// samples a problem.
func (x *Orders) Of(order string, n int) []float64 {
	shares := make([]float64, len(x.Problems))
	for i, p := range x.Problems {
		for o, samples := range p.Samples {
			if order == "" || o == order {
				shares[i] += float64(samples)
			}
		}
		shares[i] /= float64(n)
	}
	return shares
}

// table shows the orders of one model.
func (x *Orders) table() page.Table {
	t := page.Table{Header: []string{"first thought, where there are several orders", "samples"}}
	for _, s := range x.Shares {
		t.Rows = append(t.Rows, []string{s.Order, s.Share.Percent()})
	}
	t.Rows = append(t.Rows, []string{"valid: any of these", x.Valid.Percent()})
	return t
}
