package scaling

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// The fast lane looks at a policy each second. It scales out at once by the load of the last seconds, and in by what was
// needed at most in a window.
//
// Three things keep it from flapping. It reckons with load, which is value × running of the same second: what was measured
// before new tasks ran does not count for them. It scales in by the highest proposal of FastWindow. And a proposal for that
// leaves room: it is for LowFactor of the target value, so that after it the load has to grow by more than a ninth above
// what was the most in the window before it scales out again.
const (
	// FastWindow is how long a lower count must have sufficed. A minute is longer than any noise that comes again and again
	// in measurements of a second, and bridges breaks of less; HPA's five minutes are for measurements of a minute.
	FastWindow = time.Minute

	fastPoints = 3                // of how many seconds the mean is taken; each halves what noise does, and costs a second
	fastLeast  = 2                // that there must be: one alone may be a mistake
	fastFresh  = 5 * time.Second  // older ones do not count
	fastGap    = 10 * time.Second // after such a pause the window begins anew
	fastOut    = 2                // it scales out to so many times the running tasks at most,
	fastOutMin = 4                // or by so many
	fastIn     = 2                // and in to so many parts of the desired
)

// fast says whether a policy is of the fast lane.
func (d *decider) fast(p *model.ScalingPolicy) bool {
	return p.Tracking != nil && p.Tracking.Value > 0 && (p.Tracking.Fast || d.Fast)
}

// second gives the newest measurements of a policy of the fast lane; nil if there are too few, or it is none. Then its
// alarms count.
func (d *decider) second(p *model.ScalingPolicy) []Second {
	if !d.fast(p) {
		return nil
	}
	var points []Second
	for _, s := range d.Series {
		if s.Policy != p.Name {
			continue
		}
		for _, point := range s.Points {
			if len(points) < fastPoints && d.Now.Sub(point.At) < fastFresh && len(finite([]float64{point.Value})) == 1 {
				points = append(points, point)
			}
		}
	}
	if len(points) < fastLeast {
		return nil
	}
	return points
}

// proposals are what the load asks for: to scale out, and to be scaled in to.
type proposals struct {
	out, in int
	load    float64 // mean of value × running
	values  []float64
}

// fastCounts reckons with the mean load of seconds.
func (d *decider) fastCounts(p *model.ScalingPolicy, points []Second) proposals {
	target := p.Tracking.Value
	loads := make([]float64, len(points))
	var f proposals
	for i, s := range points {
		loads[i] = s.Value * float64(s.Running)
		f.values = append(f.values, s.Value)
	}
	f.load = mean(loads)
	if d.Running == 0 { // what is measured of no tasks is not theirs
		f.out = proportional(0, mean(f.values), target)
		f.in = f.out
		return f
	}
	f.out = ceil(f.load / target)
	f.in = ceil(f.load / (LowFactor * target))
	return f
}

// fastVote is what a policy of the fast lane wants now.
func (d *decider) fastVote(p *model.ScalingPolicy, points []Second) *vote {
	f := d.fastCounts(p, points)
	v := d.newVote(p, nil, d.base())
	v.fast, v.fires = true, true
	v.inputs.Metric, v.inputs.Threshold = metricOf(p), p.Tracking.Value
	v.inputs.Points, v.inputs.Value = f.values, mean(f.values)
	highest := d.propose(p, f.in)
	switch {
	case f.out > d.desired:
		v.direction = 1
		v.count = min(f.out, max(fastOut*v.base, v.base+fastOutMin))
		v.inputs.Formula = fmt.Sprintf("ceil(%s load of %d s / %s) = %d", number(f.load), len(points), number(p.Tracking.Value), f.out)
		if v.count < f.out {
			v.inputs.Formula += fmt.Sprintf(", at most %d at once", v.count)
		}
	case highest < d.desired && !p.Tracking.NoScaleIn:
		v.direction = -1
		v.count = max(highest, (d.desired+fastIn-1)/fastIn)
		v.inputs.Formula = fmt.Sprintf("at most ceil(load / (%s × %s)) = %d in %d s",
			number(LowFactor), number(p.Tracking.Value), highest, int(FastWindow.Seconds()))
		if v.count > highest {
			v.inputs.Formula += fmt.Sprintf(", at least %d at once", v.count)
		}
	}
	return v
}

// propose adds a proposal to the window of a policy, and gives the highest in it. Of the proposals only those are kept that
// are higher than all later ones, so the first is the highest. A window begins with the desired count, which keeps it from
// being lower before it is full.
func (d *decider) propose(p *model.ScalingPolicy, count int) int {
	recent := d.state.Recent[p.Name]
	if n := len(recent); n == 0 || d.Now.Sub(recent[n-1].At) > fastGap {
		recent = []model.Proposal{{At: d.Now, Count: d.desired}}
	}
	for len(recent) > 0 && d.Now.Sub(recent[0].At) >= FastWindow {
		recent = recent[1:]
	}
	for len(recent) > 0 && recent[len(recent)-1].Count <= count {
		recent = recent[:len(recent)-1]
	}
	d.state.Recent[p.Name] = append(recent, model.Proposal{At: d.Now, Count: count})
	return d.state.Recent[p.Name][0].Count
}

// beginWindows makes the windows of all policies begin anew: the desired count was changed.
func (d *decider) beginWindows() {
	for name := range d.state.Recent {
		d.state.Recent[name] = []model.Proposal{{At: d.Now, Count: d.desired}}
	}
}

// pressed says whether what keeps a policy of the fast lane from scaling may still do so: in its window it wants more than
// is desired, or a deployment goes on.
func (d *decider) pressed(v *vote) bool {
	return v.direction > 0 || d.Deploying || d.state.Recent[v.policy.Name][0].Count > d.desired
}
