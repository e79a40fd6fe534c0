package scaling

import (
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// The fast lane looks at a policy each second. It scales out at once by the load of the last seconds, and in by what was
// needed at most in a window.
//
// Three things keep it from flapping. It reckons with load, which is value × tasks of the same second: what was measured
// before new tasks had a part in it does not count for them. It scales in by the highest proposal of FastWindow. And a proposal for that
// leaves room: it is for fastLow of the target value, so that after it the load has to grow by more than a sixth above what
// was the most in the window before it scales out again.
//
// The numbers come from half an hour each of constant loads with noise of ±30 %, or of a standard deviation of 15 %, in each
// second (package loop). With means of 3 s and room of a tenth, half of these runs turned back within 60 s windows, and some
// within windows of three minutes; with means of 5 s and this room none did, with any window from 60 s on. So the shortest
// of them is taken. Noise of ±30 % never lifts two seconds to 1.5 times the mean of the five that they are among: both have
// to be 2.25 times what the others were.
const (
	// FastWindow is how long a lower count must have sufficed.
	FastWindow = time.Minute

	fastLow    = 0.85             // of the target value, what the metric shall be at most after scaling in
	fastPoints = 5                // of how many seconds the mean is taken
	fastLeast  = 2                // that there must be: one alone may be a mistake
	fastStep   = 1.5              // times the mean that the last two are above when the load has made a step
	fastFresh  = 8 * time.Second  // older ones do not count: the newest may be late by a few seconds
	fastGap    = 10 * time.Second // after such a pause the window begins anew
	fastOut    = 2                // it scales out to so many times the running tasks at most,
	fastOutMin = 4                // or by so many
	fastIn     = 2                // and in to so many parts of the desired
)

// fast says whether a policy is of the fast lane.
func (d *decider) fast(p *model.ScalingPolicy) bool {
	return p.Tracking != nil && p.Tracking.Value > 0 && (p.Tracking.Fast || d.Fast)
}

// second gives the newest measurements of a policy of the fast lane, and whether they are of all tasks together; nil if there
// are too few, or it is none. Then its alarms count.
func (d *decider) second(p *model.ScalingPolicy) (points []Second, whole bool) {
	if !d.fast(p) {
		return nil, false
	}
	most, least := fastPoints, fastLeast
	for _, s := range d.Series {
		if s.Policy != p.Name {
			continue
		}
		if whole = s.Whole; whole {
			most, least = 1, 1
		}
		points = slices.Grow(points, min(len(s.Points), most))
		for _, point := range s.Points {
			if len(points) < most && d.Now.Sub(point.At) < fastFresh && isFinite(point.Value) {
				points = append(points, point)
			}
		}
	}
	if len(points) < least {
		return nil, false
	}
	return points, whole
}

// proposals are what the load asks for: to scale out, and to be scaled in to.
type proposals struct {
	out, in int
	whole   bool
	values  []float64
	load    float64 // value × tasks: the mean, or after a step what it is since
	seconds int     // of which that is
}

// fastCounts reckons with the mean load of seconds.
func (d *decider) fastCounts(p *model.ScalingPolicy, points []Second, whole bool) proposals {
	target := p.Tracking.Value
	loads := make([]float64, len(points))
	f := proposals{whole: whole, values: make([]float64, 0, len(points))}
	for i, s := range points {
		loads[i] = s.Value
		if !whole {
			loads[i] *= s.Tasks
		}
		f.values = append(f.values, s.Value)
	}
	if d.Running == 0 && !whole { // what is measured of no tasks is not theirs
		f.out = proportional(0, mean(f.values), target)
		f.in = f.out
		return f
	}
	f.load, f.seconds = mean(loads), len(loads)
	if step := stepped(loads, f.load); step > 0 && !whole {
		f.load, f.seconds = step, fastLeast
	}
	f.out, f.in = ceil(f.load/target), ceil(f.load/(fastLow*target))
	return f
}

// stepped gives the load since it has made a step, 0 if it has made none: the lesser one of the last two seconds, if it is so
// far above the mean that noise alone does not come so far. Then what was before need not be waited for to leave the mean.
func stepped(loads []float64, mean float64) float64 {
	if len(loads) <= fastLeast {
		return 0
	}
	if least := min(loads[0], loads[1]); least > fastStep*mean {
		return exact(least)
	}
	return 0
}

// fastVote is what a policy of the fast lane wants now.
func (d *decider) fastVote(p *model.ScalingPolicy, points []Second, whole bool) *vote {
	f := d.fastCounts(p, points, whole)
	v := d.newVote(p, nil, d.base())
	v.fast, v.fires = true, true
	v.inputs.Metric, v.inputs.Threshold = metricOf(p), p.Tracking.Value
	v.inputs.Points, v.inputs.Value = f.values, mean(f.values)
	highest := d.propose(p, f.in)
	switch {
	case f.out > d.desired:
		v.direction = 1
		v.count = f.out
		if !whole { // what was measured of few tasks may be a mistake about many
			v.count = min(f.out, max(fastOut*v.base, v.base+fastOutMin))
		}
		v.inputs.Formula = d.fastText(f, p.Tracking.Value)
		if v.count < f.out {
			v.inputs.Formula += fmt.Sprintf(", at most %d at once", v.count)
		}
	case highest < d.desired && !p.Tracking.NoScaleIn:
		v.direction = -1
		v.count = max(highest, (d.desired+fastIn-1)/fastIn)
		v.inputs.Formula = fmt.Sprintf("at most ceil(load / (%s × %s)) = %d in %d s",
			number(fastLow), number(p.Tracking.Value), highest, int(FastWindow.Seconds()))
		if v.count > highest {
			v.inputs.Formula += fmt.Sprintf(", at least %d at once", v.count)
		}
	}
	return v
}

// fastText says how the count to scale out to came about.
func (d *decider) fastText(f proposals, target float64) string {
	switch {
	case f.whole:
		return fmt.Sprintf("ceil(%s waiting / %s) = %d", number(f.load), number(target), f.out)
	case d.Running == 0:
		return proportionText(0, mean(f.values), target, f.out)
	}
	return fmt.Sprintf("ceil(%s load of %d s / %s) = %d", number(f.load), f.seconds, number(target), f.out)
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
