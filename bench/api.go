package main

import (
	stdbytes "bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// object is a JSON object.
type object = map[string]any

// api is the cheapest client: one connection that is kept, no signature, no waiter.
type api struct {
	url    string
	client *http.Client
}

func newAPI(url string) *api {
	return &api{url: url, client: &http.Client{Transport: &http.Transport{}}}
}

// call makes one call of the ECS API.
func (a *api) call(ctx context.Context, operation string, in object, out any) error {
	return a.invoke(ctx, "AmazonEC2ContainerServiceV20141113."+operation, in, out)
}

// invoke makes one call of an API that speaks JSON, given its name and that of the operation.
func (a *api) invoke(ctx context.Context, operation string, in object, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, stdbytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", operation)
	answer, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", operation, answer.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// define registers the sleeper as a task definition.
func (a *api) define(ctx context.Context, sleeper string) error {
	return a.call(ctx, "RegisterTaskDefinition", object{
		"family": "sleeper", "containerDefinitions": []object{{
			"name": "app", "image": sleeper, "cpu": 4, "memory": 16, "essential": true,
		}},
	}, nil)
}

func (a *api) createService(ctx context.Context, name string, count int) error {
	return a.call(ctx, "CreateService", object{"serviceName": name, "taskDefinition": "sleeper", "desiredCount": count}, nil)
}

func (a *api) scale(ctx context.Context, name string, count int) error {
	return a.call(ctx, "UpdateService", object{"service": name, "desiredCount": count}, nil)
}

// untilRunning waits until as many tasks of a service run, and none other is about to.
func (a *api) untilRunning(ctx context.Context, name string, count int, poll time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	in := object{"services": []string{name}}
	return wait(ctx, poll, func() (bool, error) {
		var out struct {
			Services []struct{ RunningCount, PendingCount int }
		}
		if err := a.call(ctx, "DescribeServices", in, &out); err != nil {
			return false, err
		}
		s := out.Services[0]
		return s.RunningCount == count && s.PendingCount == 0, nil
	})
}

// task is what is asked of a task.
type task struct {
	TaskArn, LastStatus  string
	StartedAt, StoppedAt float64 // seconds since 1970
	Containers           []struct{ RuntimeID string }
}

func (t *task) pid() (int, error) { return strconv.Atoi(t.Containers[0].RuntimeID) }

// list gives the ARNs of the tasks of a service that are wanted.
func (a *api) list(ctx context.Context, service string) ([]string, error) {
	var list []string
	next := ""
	for {
		in := object{"serviceName": service}
		if next != "" {
			in["nextToken"] = next
		}
		var out struct {
			TaskArns  []string
			NextToken string
		}
		if err := a.call(ctx, "ListTasks", in, &out); err != nil {
			return nil, err
		}
		list = append(list, out.TaskArns...)
		if next = out.NextToken; next == "" {
			return list, nil
		}
	}
}

func (a *api) describe(ctx context.Context, arns ...string) ([]task, error) {
	const most = 100 // of one call
	var all []task
	for len(arns) > 0 {
		n := min(len(arns), most)
		var out struct{ Tasks []task }
		if err := a.call(ctx, "DescribeTasks", object{"tasks": arns[:n]}, &out); err != nil {
			return nil, err
		}
		all, arns = append(all, out.Tasks...), arns[n:]
	}
	return all, nil
}

// pids are those of the running tasks of a service.
func (a *api) pids(ctx context.Context, service string) ([]int, error) {
	arns, err := a.list(ctx, service)
	if err != nil {
		return nil, err
	}
	tasks, err := a.describe(ctx, arns...)
	if err != nil {
		return nil, err
	}
	var pids []int
	for i := range tasks {
		pid, err := tasks[i].pid()
		if err != nil {
			return nil, fmt.Errorf("the pid of %s: %w", tasks[i].TaskArn, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
