// Package why tells why a task, a service, a deployment, an alarm or a scaling policy is as it is: what happened to it, newest
// first, each with the chain of causes down to something outside. It reads a view and decides nothing.
package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Story is the answer to one question.
type Story struct {
	Subject string `json:"subject"` // ARN, or the id of a deployment
	Kind    string `json:"kind"`    // task, service, deployment, alarm, policy
	Now     string `json:"now"`     // one sentence: how it is
	// Held says what keeps it from being as it is wanted, one reason each: what is short on which machine.
	Held []string `json:"held,omitempty"`
	// Scaling is how a service is scaled now, nil where it is not.
	Scaling *Scaling `json:"scaling,omitempty"`
	Steps   []Step   `json:"steps"` // newest first
}

// Step is something that happened.
type Step struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	Task string    `json:"task,omitempty"` // ARN
	// Details are one sentence each: the numbers of a scaling decision, and what became of it. Inputs are these numbers.
	Details []string             `json:"details,omitempty"`
	Inputs  *model.ScalingInputs `json:"inputs,omitempty"`
	// Because is the chain of causes, nearest first; none where an event speaks for itself.
	Because []model.Cause `json:"because,omitempty"`
	// Verb is the part of Text that says what happens to the task and is not the task's own: steps with the same one can
	// be told together.
	Verb string `json:"verb,omitempty"`
	// Output is the last that a program printed which failed, line by line, and OutputIn the file of this machine where it
	// is instead, when another process has it.
	Output   []string `json:"output,omitempty"`
	OutputIn string   `json:"outputIn,omitempty"`

	failed string // the container that failed, "" for none
}

// Viewer is what a story is told from.
type Viewer struct {
	View   *store.View
	Now    time.Time
	Refuse func(*model.Machine, *model.TaskDefinition) string
	// Timings are those with which the scheduler decides.
	Timings model.Timings
	// Connected says whether a machine's agent is there; nil: as its record says.
	Connected func(*model.Machine) bool
	// Output gives the last that a container of a task (ARN) printed, line by line; none when it is not known here. It may
	// be nil.
	Output func(task, container string) []string
	// OutputIn gives the file of this machine with the output of an attempt of a container (see
	// model.ObservedContainer.Restarts), "" when there is none. It may be nil.
	OutputIn func(task, container string, attempt int) string
	// Points gives what an alarm measures, of its newest periods, newest first. It may be nil.
	Points func(*model.Alarm) []float64
	// Targets gives of how many targets the newest of Points was measured, 0 if it is not of targets. It may be nil.
	Targets func(*model.Alarm) float64
	// Seconds gives what a policy that is looked at each second measures, of a service of which so many tasks run. It may be nil.
	Seconds func(p *model.ScalingPolicy, s *model.Service, running int) scaling.Series
}

// Of tells the story of a task, service, deployment, alarm or scaling policy, given by ARN, id, a unique beginning of an id,
// or name.
func (v Viewer) Of(ref string) (Story, error) {
	found := v.find(ref)
	switch len(found) {
	case 0:
		return Story{}, &model.Error{
			Code:    "ResourceNotFoundException",
			Message: fmt.Sprintf("There is no task, service, deployment, alarm or scaling policy %q. Stopped tasks are remembered for a day.", ref),
		}
	case 1:
		story := found[0].tell(v)
		v.addOutput(story.Steps)
		return story, nil
	}
	var names []string
	for _, f := range found[:min(len(found), 5)] {
		names = append(names, f.name())
	}
	return Story{}, model.InvalidParameter(fmt.Sprintf("%q may mean %d things; say which: %s", ref, len(found), strings.Join(names, ", ")))
}

// subject is something that a story can be about.
type subject interface {
	name() string
	tell(v Viewer) Story
}

// find lists what a reference may mean: an exact hit alone, else all whose id begins so.
func (v Viewer) find(ref string) []subject {
	if t, ok := v.View.Task(ref); ok {
		return []subject{taskSubject{t}}
	}
	if s, ok := v.View.Service(ref); ok {
		return []subject{serviceSubject{s}}
	}
	var found []subject
	for s := range v.View.AllServices() {
		if s.Name == ref || strings.HasSuffix(s.ARN, ":service/"+ref) {
			found = append(found, serviceSubject{s})
		}
		for d := range v.View.Deployments(s.ARN) {
			if d.ID == ref || model.ShortID(d.ID) == model.ShortID(ref) || d.Token == model.ShortID(ref) {
				found = append(found, deploymentSubject{s, d})
			}
		}
	}
	if found = append(found, v.findScaling(ref)...); len(found) > 0 || len(ref) < 4 {
		return found
	}
	for t := range v.View.Tasks() {
		if strings.HasPrefix(model.ShortID(t.ARN), ref) {
			found = append(found, taskSubject{t})
		}
	}
	return found
}

// findScaling lists the alarms and scaling policies that have a name or an ARN.
func (v Viewer) findScaling(ref string) (found []subject) {
	for a := range v.View.Alarms("") {
		if a.ARN == ref || a.Name == ref {
			found = append(found, alarmSubject{a})
		}
	}
	for p := range v.View.ScalingPolicies("") {
		if p.ARN != ref && p.Name != ref {
			continue
		}
		target, ok := v.View.ScalableTarget(p.Target)
		if !ok {
			continue
		}
		if svc, ok := v.View.Service(target.Service); ok {
			found = append(found, policySubject{target, svc, p})
		}
	}
	return found
}

// newestFirst orders steps by time, latest first; of those at the same time the later one of the list is the later one.
func newestFirst(steps []Step) []Step {
	slices.Reverse(steps)
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(b.At.UnixNano(), a.At.UnixNano()) })
	return steps
}
