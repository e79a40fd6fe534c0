package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// outcome is what has become of a service in a time, or would have.
type outcome struct {
	taskSeconds float64
	changes     int
	above       float64 // seconds, by the means of minutes
	first       int     // tasks at the beginning
	least, most int
	out, in     int
}

// compare lets load come that nothing was fitted to, records it, and asks `maitred what-if` what it would have done.
func (r *rig) compare(ctx context.Context, all []*scaled) error {
	began := time.Now().Truncate(time.Minute).Add(time.Minute)
	errs := make([]error, len(all))
	var both sync.WaitGroup
	for i, s := range all {
		if s.load != nil {
			both.Go(func() { errs[i] = s.replayed(ctx, began) })
		}
	}
	both.Wait()
	return errors.Join(errs...)
}

func (s *scaled) replayed(ctx context.Context, began time.Time) error {
	s.rig.progress("scaling by %s, %s: %v of load, for what-if", s.name, s.rig.driver, s.rig.replay)
	if err := rest(ctx, time.Until(began)); err != nil {
		return err
	}
	for at := time.Duration(0); at < s.rig.replay; at = time.Since(began) {
		s.load.rate.Store(s.wave(at))
		if err := rest(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	s.load.rate.Store(s.rest)
	n := int(s.rig.replay / time.Second)
	lived := s.lived(began.Unix(), n)
	predicted, err := s.predict(ctx, lived.first, s.load.between(began.Unix(), began.Unix()+int64(n)))
	if err != nil {
		return err
	}
	s.rig.note(fmt.Sprintf("what-if and what was, load by %s, %s, %v that nothing was fitted to: "+
		"%.0f task-seconds predicted, %.0f lived (%+.1f %%); %d changes (%d out, %d in) predicted, %d (%d out, %d in) lived; "+
		"%.0f s above the target predicted, %s lived; %d to %d tasks predicted, %d to %d lived.",
		s.name, s.rig.driver, s.rig.replay, predicted.taskSeconds, lived.taskSeconds, 100*(predicted.taskSeconds/lived.taskSeconds-1),
		predicted.changes, predicted.out, predicted.in, lived.changes, lived.out, lived.in,
		predicted.above, unknownBelow(lived.above), predicted.least, predicted.most, lived.least, lived.most))
	return nil
}

func unknownBelow(v float64) string {
	if v < 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.0f s", v)
}

// wave is a load that goes up and down in some minutes, with steps in it.
func (s *scaled) wave(at time.Duration) int64 {
	t := at.Seconds()
	level := 0.5 - 0.5*math.Cos(2*math.Pi*t/150)
	if int(t)%70 >= 55 {
		level = min(1, level+0.4)
	}
	return s.rest + int64(level*float64(s.scaleCase.load-s.rest))
}

// lived is what has happened.
func (s *scaled) lived(from int64, n int) (o outcome) {
	desired := s.counts.bySecond(from, n, func(m moment) int { return m.desired })
	running := s.counts.bySecond(from, n, func(m moment) int { return m.running })
	sent := s.load.between(from, from+int64(n))
	o.first, o.least, o.most, o.above = desired[0], desired[0], desired[0], -1
	for i, d := range desired {
		o.taskSeconds += float64(d)
		o.least, o.most = min(o.least, d), max(o.most, d)
		switch {
		case i > 0 && d > desired[i-1]:
			o.out++
		case i > 0 && d < desired[i-1]:
			o.in++
		}
	}
	o.changes = o.out + o.in
	if s.name != "requests" {
		return o
	}
	o.above = 0
	for at := 0; at+60 <= n; at += 60 {
		sum := 0.0
		for i := at; i < at+60; i++ {
			sum += float64(sent[i]) / float64(max(1, running[i]))
		}
		if sum/60 > perTask {
			o.above += 60
		}
	}
	return o
}

// predict asks the command what the same policy does with the same load.
func (s *scaled) predict(ctx context.Context, tasks int, sent []int) (o outcome, err error) {
	dir, err := os.MkdirTemp(s.rig.base, "what-if-")
	if err != nil {
		return o, err
	}
	var csv strings.Builder
	for i, n := range sent {
		fmt.Fprintf(&csv, "%d,%d\n", i, n)
	}
	policy, err := json.Marshal(s.input)
	if err != nil {
		return o, err
	}
	traffic, file := filepath.Join(dir, "load.csv"), filepath.Join(dir, "policy.json")
	if err := os.WriteFile(traffic, []byte(csv.String()), 0o600); err != nil {
		return o, err
	}
	if err := os.WriteFile(file, policy, 0o600); err != nil {
		return o, err
	}
	capacity := cpuUnits / 1024.0 / busyFor.Seconds() // of a task that is busy all the time
	if s.name == "requests" {
		capacity = 20 * perTask
	}
	out, err := exec.CommandContext(ctx, s.rig.binary, "what-if", "--endpoint", s.rig.m.url, "--service", s.name, "--policy", file,
		"--traffic", traffic, "--capacity", strconv.FormatFloat(capacity, 'f', -1, 64), "--tasks", strconv.Itoa(tasks), "--json").Output()
	if err != nil {
		return o, fmt.Errorf("what-if: %w", err)
	}
	var report struct {
		New struct {
			TaskHours             float64
			SecondsAboveTarget    float64
			ScaleOuts, ScaleIns   int
			LeastTasks, MostTasks int
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return o, err
	}
	x := report.New
	return outcome{
		taskSeconds: 3600 * x.TaskHours, changes: x.ScaleOuts + x.ScaleIns, out: x.ScaleOuts, in: x.ScaleIns, above: x.SecondsAboveTarget,
		least: x.LeastTasks, most: x.MostTasks,
	}, nil
}

// note adds to the report's notes.
func (r *rig) note(text string) {
	r.notesMu.Lock()
	defer r.notesMu.Unlock()
	r.notes = append(r.notes, text)
}
