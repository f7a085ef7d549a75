package experiment

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// A StageID is a stage of training. Its number keys random streams and says nothing about
// the order; people know it by its name.
type StageID int

// The stages (docs/method.md section 6).
const (
	TextStage  StageID = iota // the backbone on text
	HeadsStage                // proj_in and NF head, and the flow if it is free; backbone frozen
	JointStage                // everything but the flow
	FlowStage                 // everything, the flow unfrozen at last
	ReadStage                 // the backbone and proj_in: what each code alone stands for

	// PolicyStage is reinforcement learning: everything is trained but the flow, which
	// neither sampling nor scoring goes through.
	PolicyStage StageID = -1

	// AllStages stands for every stage that has steps.
	AllStages StageID = -2
)

// inOrder are the stages of supervised training as they follow each other.
var inOrder = []StageID{TextStage, ReadStage, HeadsStage, JointStage, FlowStage}

// Before says whether a stage comes before another one.
func (s StageID) Before(other StageID) bool {
	return slices.Index(inOrder, s) < slices.Index(inOrder, other)
}

// StageNames are the names of the stages, in their order, and of AllStages.
const StageNames = "text, read, heads, joint, flow or all"

var stageNames = map[StageID]string{TextStage: "text", ReadStage: "read", HeadsStage: "heads", JointStage: "joint", FlowStage: "flow", PolicyStage: "policy", AllStages: "all"}

// String is the name of the stage, as settings and flags have it.
func (s StageID) String() string { return stageNames[s] }

// Expected says what a stage is in an experiment.
func (s StageID) Expected() string { return StageNames }

// MarshalText writes the stage's name.
func (s StageID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a stage's name, or the number that older versions wrote for it.
func (s *StageID) UnmarshalText(text []byte) error {
	called := cmp.Or(renamed[string(text)], string(text))
	for id, name := range stageNames {
		if name == called {
			*s = id
			return nil
		}
	}
	return fmt.Errorf("%q is no stage; want %s", text, StageNames)
}

// Stages are those of docs/method.md section 6; its stage of everything is in two parts,
// since a flow learns best when it comes late.
type Stages struct {
	Text  Stage `yaml:"text"`
	Read  Stage `yaml:"read"`
	Heads Stage `yaml:"heads"`
	Joint Stage `yaml:"joint"`
	Flow  Stage `yaml:"flow"`
}

// Of returns a stage.
func (s *Stages) Of(id StageID) *Stage {
	return []*Stage{TextStage: &s.Text, ReadStage: &s.Read, HeadsStage: &s.Heads, JointStage: &s.Joint, FlowStage: &s.Flow}[id]
}

// All yields the stages in their order.
func (s *Stages) All() iter.Seq2[StageID, *Stage] {
	return func(yield func(StageID, *Stage) bool) {
		for _, id := range inOrder {
			if !yield(id, s.Of(id)) {
				return
			}
		}
	}
}

// Runs says whether a stage is run: it has steps, and is among those asked for.
func (s *Stages) Runs(stage, asked StageID) bool {
	return (asked == AllStages || asked == stage) && s.Of(stage).Steps > 0
}

// A Stage is a stretch of training with its own optimizer and rate: warm-up,
// then cosine.
type Stage struct {
	Steps      int     `yaml:"steps"` // 0 leaves the stage out
	LR         float64 `yaml:"lr"`
	Warmup     int     `yaml:"warmup"`      // steps
	FlowLR     float64 `yaml:"flow_lr"`     // scale of the learning rate of the flow's parameters
	FreezeFlow bool    `yaml:"freeze_flow"` // leave the flow as it is; where nothing has trained it, thoughts are the codes themselves

	// FlowFit is what a flow that is free learns from: "conditional", the likelihood of codes given the prompt, under the
	// head; or "marginal", that of codes whatever the prompt, under N(0, I), while the head learns the former of thoughts
	// as they are; "": conditional.
	FlowFit string `yaml:"flow_fit,omitempty"`
}

// movesFlow says whether the stage, number id, trains a flow that there is: where stages text and read are, there is
// none yet.
func (s Stage) movesFlow(id StageID) bool {
	return s.Steps > 0 && !s.FreezeFlow && id != TextStage && id != ReadStage
}

// marginal says whether the stage fits its flow to the marginal of codes.
func (s Stage) marginal() bool { return s.FlowFit == "marginal" }

// checkFit says what is wrong with what the flow of a stage is to learn from; trains: there is a flow that a free stage
// would train.
func (s Stage) checkFit(id StageID, trains bool) error {
	switch {
	case s.FlowFit != "" && s.FlowFit != "conditional" && !s.marginal():
		return fmt.Errorf("stage %s has flow_fit %q; want \"conditional\" or \"marginal\"", id, s.FlowFit)
	case s.marginal() && (s.FreezeFlow || id == TextStage || id == ReadStage || !trains):
		return fmt.Errorf("stage %s has flow_fit marginal, but trains no flow; that takes freeze_flow false, a flow with layers and a method that has one, and not stage text or read", id)
	}
	return nil
}
