package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/driver/docker"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
)

const (
	exampleWeb   = "web"
	exampleTasks = 3
	exampleImage = "maitred-example-web:latest"
	examplePort  = 8080
	exampleMake  = 30 * time.Second // to create it; with Docker, an image is imported
	exampleWait  = 30 * time.Second // for its tasks, which take long on a busy machine
)

// example creates the example service, through the API as anybody would, unless it is there already, and waits until
// its tasks can be reached. One that is there may have been made something else since: that it cannot be reached is
// told, and stops nothing.
func (s *server) example(ctx context.Context, ready *Ready) error {
	service := arn.Service(s.scope().Cluster("default"), exampleWeb)
	if svc, ok := s.store.View().Service(service); !ok || svc.Status != model.Active {
		if err := s.createExample(ctx, ready.Driver); err != nil {
			return fmt.Errorf("create the example service: %w", err)
		}
	}
	addresses, err := s.reachable(ctx, service)
	ready.ExampleTasks = len(addresses)
	if balanced := s.balanced(service); balanced != "" {
		ready.ExampleBalanced, addresses = true, []string{balanced}
		if err == nil {
			err = s.answering(ctx, balanced)
		}
	}
	for _, a := range addresses {
		ready.Example = append(ready.Example, "http://"+a+"/")
	}
	if ready.ExampleProblem = err; err == nil && len(addresses) == 0 {
		ready.ExampleProblem = fmt.Errorf("the service %s has no port where it can be reached", exampleWeb)
	}
	return ctx.Err()
}

func (s *server) createExample(ctx context.Context, driver string) error {
	ctx, cancel := context.WithTimeout(ctx, exampleMake)
	defer cancel()
	name, err := s.exampleProgram(ctx, driver)
	if err != nil {
		return err
	}
	definition := map[string]any{
		"family": exampleWeb,
		"containerDefinitions": []any{map[string]any{
			"name": exampleWeb, "image": name, "cpu": 32, "memory": 64, "essential": true,
			"portMappings": []any{map[string]any{"containerPort": examplePort}}, "environment": exampleEnvironment(driver),
		}},
	}
	if err := s.post(ctx, "RegisterTaskDefinition", definition); err != nil {
		return err
	}
	service := map[string]any{"serviceName": exampleWeb, "taskDefinition": exampleWeb, "desiredCount": exampleTasks}
	if s.cfg.Balancer {
		group, err := s.balanceExample(ctx)
		if err != nil {
			return err
		}
		service["loadBalancers"] = []any{map[string]any{"targetGroupArn": group, "containerName": exampleWeb, "containerPort": examplePort}}
	}
	return s.post(ctx, "CreateService", service)
}

// exampleEnvironment keeps a plain process from listening where other machines reach it. In a container, the program has
// to listen on all addresses, and Docker decides where the port is published.
func exampleEnvironment(driver string) []any {
	if driver != driverProcess {
		return []any{}
	}
	return []any{map[string]any{"name": "ADDRESS", "value": "127.0.0.1"}}
}

// exampleProgram is the image of the example for a driver: an image, or the program itself.
func (s *server) exampleProgram(ctx context.Context, driver string) (name string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	program := filepath.Join(filepath.Dir(self), "examples", exampleWeb)
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("the example's program is not built (`make build` does): %w", err)
	}
	switch driver {
	case driverOCI:
		dir := filepath.Join(s.cfg.DataDir, "examples")
		name, err = "oci:"+dir+":"+exampleWeb, image.WriteStatic(dir, exampleWeb, program)
	case driverDocker:
		name, err = exampleImage, docker.ImportStatic(ctx, exampleImage, program)
	default:
		return program, nil
	}
	if err != nil {
		return "", fmt.Errorf("make the example's image: %w", err)
	}
	return name, nil
}

// post calls an operation of our own ECS API.
func (s *server) post(ctx context.Context, operation string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	_, err = send(req, operation)
	return err
}

// send sends a request to our own API, and gives the answer.
func send(req *http.Request, operation string) ([]byte, error) {
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", operation, text)
	}
	return text, err
}

// reachable waits until the service has all its tasks and each accepts connections, and lists their addresses.
func (s *server) reachable(ctx context.Context, service string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, exampleWait)
	defer cancel()
	watcher := s.store.Watch(model.KindTask, model.KindObserved, model.KindService)
	defer watcher.Close()
	for {
		_, _, view := watcher.Snapshot()
		svc, ok := view.Service(service)
		var at []string
		running := 0
		for t := range view.TasksOfService(service) {
			if t.Running() {
				at = append(at, addresses(t)...)
				running++
			}
		}
		if ok && running >= svc.DesiredCount {
			slices.Sort(at)
			return at, accepting(ctx, at)
		}
		select {
		case <-watcher.C():
		case <-ctx.Done():
			return at, fmt.Errorf("the service %s does not have its tasks yet; `maitred why %s` tells why", model.ShortID(service), model.ShortID(service))
		}
	}
}

// accepting waits until every address accepts connections: a program needs a moment from its start.
func accepting(ctx context.Context, addresses []string) error {
	const pause = 5 * time.Millisecond
	var dialer net.Dialer
	for _, a := range addresses {
		for {
			conn, err := dialer.DialContext(ctx, "tcp", a)
			if err == nil {
				_ = conn.Close()
				break
			}
			select {
			case <-ctx.Done():
				return errors.Join(fmt.Errorf("%s does not answer", a), err)
			case <-time.After(pause):
			}
		}
	}
	return nil
}

// addresses lists where a task's ports are reached.
func addresses(t model.TaskState) []string {
	var list []string
	for _, c := range t.Seen.Containers {
		for _, b := range c.Bindings {
			host := b.Address
			if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
				host = "127.0.0.1"
			}
			list = append(list, net.JoinHostPort(host, fmt.Sprint(b.HostPort)))
		}
	}
	return list
}
