package scaling

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// maxSteps is how many step adjustments a policy may have ("Quotas for Application Auto Scaling").
const maxSteps = 20

// ValidateSteps says what is wrong with a step scaling policy, by the rules of "Step scaling policies for Application
// Auto Scaling" and of the API's reference.
func ValidateSteps(s *model.Step) error {
	switch s.Adjustment {
	case model.ChangeInCapacity, model.PercentChangeInCapacity, model.ExactCapacity:
	default:
		return fmt.Errorf("AdjustmentType %q is not one of ChangeInCapacity, PercentChangeInCapacity and ExactCapacity", s.Adjustment)
	}
	switch s.Aggregation {
	case "", "Average", "Minimum", "Maximum":
	default:
		return fmt.Errorf("MetricAggregationType %q is not one of Average, Minimum and Maximum", s.Aggregation)
	}
	switch {
	case s.Magnitude < 0, s.Magnitude > 0 && s.Adjustment != model.PercentChangeInCapacity:
		return errors.New("MinAdjustmentMagnitude is a number of at least 1, for PercentChangeInCapacity alone")
	case s.Cooldown < 0:
		return errors.New("Cooldown is not negative")
	case len(s.Steps) == 0:
		return errors.New("at least one step adjustment is needed")
	case len(s.Steps) > maxSteps:
		return fmt.Errorf("there are %d step adjustments, and %d are allowed", len(s.Steps), maxSteps)
	}
	return validateRanges(s)
}

func validateRanges(s *model.Step) error {
	steps := slices.Clone(s.Steps)
	slices.SortStableFunc(steps, func(a, b model.StepRange) int { return compareLower(a.Lower, b.Lower) })
	for i, r := range steps {
		if err := validateRange(s, r); err != nil {
			return err
		}
		if i > 0 {
			if err := validateNeighbours(steps[i-1], r); err != nil {
				return err
			}
		}
	}
	first, last := steps[0], steps[len(steps)-1]
	switch {
	case first.Lower != nil && *first.Lower < 0:
		return errors.New("a negative lower bound needs a step adjustment without a lower bound")
	case last.Upper != nil && *last.Upper > 0:
		return errors.New("a positive upper bound needs a step adjustment without an upper bound")
	}
	return nil
}

func compareLower(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(*a, *b)
}

func validateRange(s *model.Step, r model.StepRange) error {
	switch {
	case r.Lower == nil && r.Upper == nil:
		return errors.New("a step adjustment has a lower bound, an upper bound, or both")
	case r.Lower != nil && r.Upper != nil && !(*r.Upper > *r.Lower):
		return fmt.Errorf("the upper bound %s is not greater than the lower bound %s", number(*r.Upper), number(*r.Lower))
	case s.Adjustment == model.ExactCapacity && r.Change < 0:
		return fmt.Errorf("ExactCapacity cannot be %d", r.Change)
	}
	return nil
}

// validateNeighbours checks two ranges that follow one another.
func validateNeighbours(below, above model.StepRange) error {
	switch {
	case above.Lower == nil:
		return errors.New("only one step adjustment may be without a lower bound")
	case below.Upper == nil && above.Upper == nil:
		return errors.New("only one step adjustment may be without an upper bound")
	case below.Upper == nil || *below.Upper > *above.Lower:
		return fmt.Errorf("the step adjustments overlap at %s", number(*above.Lower))
	case *below.Upper < *above.Lower:
		return fmt.Errorf("there is a gap between the step adjustments, from %s to %s", number(*below.Upper), number(*above.Lower))
	}
	return nil
}

// pick finds the step for a distance from the threshold. On the threshold itself a range counts by its lower bound, but
// below it by its upper one: which, is told by what the alarm compares.
func pick(s *model.Step, distance float64, comparison string) (model.StepRange, bool) {
	down := distance < 0 || distance == 0 && (comparison == model.Less || comparison == model.LessOrEqual)
	for _, r := range s.Steps {
		above := r.Lower == nil || distance > *r.Lower || !down && distance == *r.Lower
		below := r.Upper == nil || distance < *r.Upper || down && distance == *r.Upper
		if above && below {
			return r, true
		}
	}
	return model.StepRange{}, false
}

// adjust gives the count that a step makes of another, and the sentence for it.
func adjust(s *model.Step, current, change int) (int, string) {
	switch s.Adjustment {
	case model.ExactCapacity:
		return change, fmt.Sprintf("exactly %d", change)
	case model.PercentChangeInCapacity:
		delta := percent(current, change, s.Magnitude)
		return max(0, current+delta), fmt.Sprintf("%d running %+d %% = %d %+d = %d", current, change, current, delta, max(0, current+delta))
	default:
		return max(0, current+change), fmt.Sprintf("%d running %+d = %d", current, change, max(0, current+change))
	}
}

// percent is a percentage of a count: towards zero, but never zero, and never less than a magnitude ("Step scaling
// policies", scaling adjustment types). Of no tasks, a positive percentage is one: the smallest step there is.
func percent(current, change, magnitude int) int {
	delta := current * change / 100
	sign := cmp.Compare(change, 0)
	if delta == 0 {
		delta = sign
	}
	if magnitude > delta*sign {
		delta = magnitude * sign
	}
	return delta
}

// stepVote is what a step policy wants when an alarm triggers it.
func (d *decider) stepVote(p *model.ScalingPolicy, s *Signal) *vote {
	v := d.newVote(p, s, d.base())
	points := finite(s.Points)
	if len(points) == 0 {
		v.why = "the alarm has no measurements"
		return v
	}
	value := aggregate(p.Step.Aggregation, points)
	v.inputs.Points, v.inputs.Value = points, value
	distance := value - s.Alarm.Threshold
	r, ok := pick(p.Step, distance, s.Alarm.Comparison)
	if !ok {
		v.why = fmt.Sprintf("no step is for %s, which is %s from %s", number(value), number(distance), number(s.Alarm.Threshold))
		return v
	}
	v.count, v.inputs.Formula = adjust(p.Step, v.base, r.Change)
	v.inputs.Formula += fmt.Sprintf(", because %s is %s from %s", number(value), number(distance), number(s.Alarm.Threshold))
	from := v.base
	if p.Step.Adjustment == model.ExactCapacity {
		from = d.desired // it does not matter what runs
	}
	if v.direction = cmp.Compare(v.count, from); v.direction == 0 {
		v.why = "the step changes nothing: " + v.inputs.Formula
	}
	return v
}

func aggregate(how string, points []float64) float64 {
	switch how {
	case "Minimum":
		return slices.Min(points)
	case "Maximum":
		return slices.Max(points)
	default:
		return mean(points)
	}
}
