package whatif

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Question is what somebody wants to know. What is nil is measured, or has a default.
type Question struct {
	Service string // NAME, CLUSTER/NAME or ARN
	Traffic string // last-24h; "": CSV is the load
	CSV     []byte
	Change  Change
	// Capacity, Idle, Start and Patience are those of Tasks.
	Capacity, Idle  *float64
	Start, Patience *time.Duration
	Tasks           *int // to begin with
	Seed            uint64
}

// Report is the answer.
type Report struct {
	Service string  `json:"service"`
	Traffic string  `json:"traffic"`
	Load    Summary `json:"load"`
	Model   Model   `json:"model"`
	Today   Outcome `json:"today"`
	New     Outcome `json:"new"`
	// Check compares today's policy, simulated, with what was recorded; nil where nothing was.
	Check  *Check   `json:"check,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	Points []Point  `json:"points"`
}

// Summary is a load in numbers.
type Summary struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Unit  string    `json:"unit"`
	Total float64   `json:"total"`
	Mean  float64   `json:"meanPerSecond"`
	Peak  float64   `json:"peakPerSecond"` // of what was given: the mean of a minute, if that is all that is known
}

// Model says what the tasks were taken for.
type Model struct {
	Capacity float64 `json:"capacity"` // of a task per second
	Idle     float64 `json:"idleCPU"`
	Start    float64 `json:"startSeconds"`
	Patience float64 `json:"patienceSeconds,omitempty"`
	Room     int     `json:"room,omitempty"`
	Text     string  `json:"text"`
	Fit      *Fit    `json:"fit,omitempty"`
}

// Check is how near the simulation comes to what has happened.
type Check struct {
	TaskHours float64 `json:"recordedTaskHours"`
	CPU       float64 `json:"recordedMeanCPU"`
}

// Point is a part of the time, as means.
type Point struct {
	At         time.Time `json:"at"`
	Load       float64   `json:"load"`
	TodayTasks float64   `json:"todayTasks"`
	NewTasks   float64   `json:"newTasks"`
	TodayCPU   float64   `json:"todayCPU"`
	NewCPU     float64   `json:"newCPU"`
}

// The text that goes with each answer.
const modelText = "work is a fluid that all running tasks drain together (first in, first out); response times are those of M/M/c, " +
	"with one worker a task, plus the wait behind the backlog; tasks start after the time stated, always well, and leave at once: " +
	"deployments and failures are not in it"

// The defaults of a model.
const (
	defaultStart    = 2 * time.Second
	defaultPatience = time.Minute // the idle timeout of Application Load Balancers
)

// Answerer is what answers are made of.
type Answerer struct {
	View    *store.View
	Metrics metrics.Reader // nil: nothing is recorded
	Now     time.Time
	// Connected and Refuse are those of the scheduler, to see how much room there is; nil: any number of tasks has room.
	Connected func(*model.Machine) bool
	Refuse    func(*model.Machine, *model.TaskDefinition) string
}

// Answer answers a question. The error is a *model.Error where the question is wrong.
func (a *Answerer) Answer(ctx context.Context, q Question) (*Report, error) {
	svc, err := a.service(q.Service)
	if err != nil {
		return nil, err
	}
	if err := q.Change.check(svc); err != nil {
		return nil, invalid(err)
	}
	b := &building{a: a, q: q, s: Scenario{View: a.View, Service: svc, Seed: q.Seed}, report: &Report{Service: svc.Name, Traffic: "file"}}
	if err := b.measure(); err != nil {
		return nil, invalid(err)
	}
	return b.report, b.compare(ctx)
}

func invalid(err error) error {
	if refusal, ok := errors.AsType[*model.Error](err); ok {
		return refusal
	}
	return &model.Error{Code: "ValidationException", Message: err.Error()}
}

// service finds a service by how a person names it.
func (a *Answerer) service(ref string) (*model.Service, error) {
	var found []*model.Service
	for s := range a.View.AllServices() {
		if s.Status != model.Inactive && (s.ARN == ref || s.Name == ref || strings.HasSuffix(s.ARN, ":service/"+ref)) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 0:
		return nil, &model.Error{Code: "ServiceNotFoundException", Message: fmt.Sprintf("there is no service %.300q", ref)}
	case len(found) > 1:
		return nil, &model.Error{Code: "ValidationException", Message: fmt.Sprintf("%q is the name of %d services; say CLUSTER/NAME", ref, len(found))}
	case found[0].Scheduling == model.Daemon:
		return nil, &model.Error{Code: "ValidationException", Message: fmt.Sprintf("%s has a task on each machine: it is not scaled", found[0].Name)}
	}
	return found[0], nil
}
