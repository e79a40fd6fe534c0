//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// What is told of a test that has failed is bounded, so that why it has failed is not lost above it.
const (
	toldTasks = 12
	toldLines = 40
)

// tell shows what the roles said when the test has failed.
func (w *crashWorld) tell() {
	if !w.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // that of the test has ended
	defer cancel()
	for _, desired := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		list, err := w.c.ListTasks(ctx, &ecs.ListTasksInput{DesiredStatus: desired})
		if err != nil || len(list.TaskArns) == 0 {
			continue
		}
		if out, err := w.c.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: list.TaskArns}); err == nil {
			w.t.Logf("the newest of %d tasks that shall be %s: %s", len(out.Tasks), desired, brief(newest(out.Tasks)))
		}
	}
	w.t.Logf("the agent said in the end:\n%s", last(w.agent.output()))
	if text, err := os.ReadFile(filepath.Join(w.dir, "oci", "keeper", "keeper.log")); err == nil {
		w.t.Logf("the keeper said in the end:\n%s", last(string(text)))
	}
}

// newest gives the tasks that were made last.
func newest(tasks []types.Task) []types.Task {
	slices.SortFunc(tasks, func(a, b types.Task) int { return aws.ToTime(b.CreatedAt).Compare(aws.ToTime(a.CreatedAt)) })
	return tasks[:min(len(tasks), toldTasks)]
}

// last gives the last lines of a text.
func last(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-toldLines):], "\n")
}

// brief tells of tasks in few words.
func brief(tasks []types.Task) string {
	var text strings.Builder
	for i := range tasks {
		t := &tasks[i]
		fmt.Fprintf(&text, "\n%s %s→%s %s", shortID(*t.TaskArn), aws.ToString(t.LastStatus), aws.ToString(t.DesiredStatus), aws.ToString(t.StoppedReason))
		for j := range t.Containers {
			c := &t.Containers[j]
			fmt.Fprintf(&text, " [%s %s exit=%v %s]", aws.ToString(c.Name), aws.ToString(c.LastStatus), show(c.ExitCode), aws.ToString(c.Reason))
		}
	}
	return text.String()
}

func show(code *int32) string {
	if code == nil {
		return "none"
	}
	return strconv.Itoa(int(*code))
}
