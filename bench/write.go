package main

import (
	"context"
	"fmt"
	"time"
)

// writes measures calls that have to be on the disk before they are answered.
func writes(ctx context.Context, w *world) error { return w.with(ctx, w.writeAll) }

func (w *world) writeAll(ctx context.Context, m *maitred) error {
	if err := m.define(ctx, w.sleeper); err != nil {
		return err
	}
	if err := m.createService(ctx, "quiet", 0); err != nil {
		return err
	}
	var made struct{ Service struct{ ServiceArn string } }
	if err := m.call(ctx, "UpdateService", object{"service": "quiet", "desiredCount": 0}, &made); err != nil {
		return err
	}
	d, err := openDisk(m.dir)
	if err != nil {
		return err
	}
	read := w.figure(figure{Name: "API read p50 (DescribeServices)", Unit: seconds, What: "1 fsync, for comparison"})
	tag := w.write("TagResource")
	update := w.write("UpdateService")
	run := w.write("RunTask")
	n := 50 * w.n
	w.progress("write %d", n)
	for i := range n {
		took, err := d.write()
		if err != nil {
			return err
		}
		w.fsyncs.add(took.Seconds())
		for _, f := range []*figure{read, tag, update, run} {
			f.Floor.add(took.Seconds())
		}
		if err := m.timed(ctx, read, "DescribeServices", object{"services": []string{"quiet"}}, nil); err != nil {
			return err
		}
		if err := m.timed(ctx, tag, "TagResource", object{
			"resourceArn": made.Service.ServiceArn, "tags": []object{{"key": "n", "value": fmt.Sprint(i)}},
		}, nil); err != nil {
			return err
		}
		if err := m.timed(ctx, update, "UpdateService", object{
			"service": "quiet", "deploymentConfiguration": object{"maximumPercent": 200 + i%2, "minimumHealthyPercent": 50},
		}, nil); err != nil {
			return err
		}
		if err := w.runTask(ctx, m, run); err != nil {
			return err
		}
	}
	return d.close()
}

func (w *world) write(name string) *figure {
	return w.figure(figure{
		Name: "API write p50 (" + name + ")", Unit: seconds, What: "1 fsync",
		Goal: limit{Amount: 0.0015, Ratio: 3}, Gate: limit{Amount: 0.005, Ratio: 10},
	})
}

// timed makes a call and notes how long it took.
func (a *api) timed(ctx context.Context, f *figure, operation string, in object, out any) error {
	began := time.Now()
	err := a.call(ctx, operation, in, out)
	f.Ours.add(time.Since(began).Seconds())
	return err
}

// runTask runs a task, and stops it again before anything else is measured.
func (w *world) runTask(ctx context.Context, m *maitred, f *figure) error {
	var out struct{ Tasks []task }
	if err := m.timed(ctx, f, "RunTask", object{"taskDefinition": "sleeper"}, &out); err != nil {
		return err
	}
	if len(out.Tasks) != 1 {
		return fmt.Errorf("RunTask runs %d tasks, want 1", len(out.Tasks))
	}
	arn := out.Tasks[0].TaskArn
	if err := m.call(ctx, "StopTask", object{"task": arn}, nil); err != nil {
		return err
	}
	return wait(ctx, w.poll, func() (bool, error) {
		tasks, err := m.describe(ctx, arn)
		return err == nil && tasks[0].LastStatus == "STOPPED", err
	})
}
