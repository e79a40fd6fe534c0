package metadata_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/metadata"
	"github.com/maitred/maitred/internal/model"
)

const (
	role    = "arn:aws:iam::123456789012:role/shop"
	cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/default"
	taskOne = "arn:aws:ecs:us-east-1:123456789012:task/default/11111111111111111111111111111111"
	taskTwo = "arn:aws:ecs:us-east-1:123456789012:task/default/22222222222222222222222222222222"
)

// start is when it is.
var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// world is two tasks of one definition, the first one of a service.
type world struct {
	facts      map[string]metadata.Facts
	containers map[string]map[string]driver.Status // by task
	usage      metadata.Measurement
	until      time.Time
	failure    string
	err        error // of all that can fail
	roles      *metadata.Roles
	key        *metadata.Key
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key, err := metadata.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	roles, err := metadata.ParseRoles(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{facts: map[string]metadata.Facts{}, containers: map[string]map[string]driver.Status{}, key: key, roles: roles}
	for i, task := range []string{taskOne, taskTwo} {
		id := model.ShortID(task)
		w.facts[id] = facts(task, []string{"172.31.0.10", "172.31.0.11"}[i])
		w.containers[task] = map[string]driver.Status{
			"app": {
				ID: id + "-app-0", State: driver.Running, RuntimeID: "runtime-" + id[:4], StartedAt: start.Add(2 * time.Second),
				Image: "sha256:0123",
			},
		}
	}
	return w
}

func facts(task, address string) metadata.Facts {
	return metadata.Facts{
		TaskState: model.TaskState{
			Task: &model.Task{
				ARN: task, Cluster: cluster, Desired: model.TaskRunning, LaunchType: "EC2",
				Service: "arn:aws:ecs:us-east-1:123456789012:service/default/shop",
				Tags:    []model.Tag{{Key: "team", Value: "blue"}},
				Network: &model.NetworkConfiguration{Subnets: []string{"subnet-1"}},
			},
			Seen: &model.Observed{
				Status: model.TaskPending, PullStartedAt: start, PullStoppedAt: start.Add(time.Second),
				Attachment: &model.Attachment{
					VPC: "vpc-1", Zone: "us-east-1b", Address: address, Prefix: 20, Gateway: "172.31.0.1", MAC: "0a:00:00:00:00:01",
				},
				Containers: []model.ObservedContainer{{Name: "app", Health: model.Healthy}, {
					Name: "prepare", Status: model.TaskStopped, ExitCode: new(int), RuntimeID: "gone",
				}},
			},
		},
		Definition: &model.TaskDefinition{
			Family: "shop", Revision: 3, NetworkMode: "awsvpc", CPU: 256, Memory: 512, TaskRole: role,
			Containers: []model.ContainerDefinition{
				{
					Name: "app", Image: "shop:1", CPU: 64, Memory: 128, Labels: map[string]string{"tier": "front"},
					Ports:       []model.PortMapping{{ContainerPort: 8080, Protocol: "tcp"}},
					HealthCheck: &model.HealthCheck{Command: []string{"CMD", "true"}},
					Log: &model.LogConfiguration{Driver: "awslogs", Options: map[string]string{
						"awslogs-group": "/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "v1",
					}},
				},
				{Name: "prepare", Image: "shop:1", MemoryReservation: 32},
			},
		},
		Zone: "us-east-1a", Memory: 4096,
	}
}

func (w *world) Facts(id string) (metadata.Facts, bool) { f, ok := w.facts[id]; return f, ok }

func (w *world) Tags(metadata.Facts) []model.Tag { return []model.Tag{{Key: "rack", Value: "9"}} }

func (w *world) Containers(_ context.Context, f metadata.Facts) (map[string]driver.Status, error) {
	return w.containers[f.ARN], w.err
}

func (w *world) Measure(context.Context) (metadata.Measurement, error) { return w.usage, w.err }

func (w *world) Credentials(ctx context.Context, role, task string) (metadata.Credentials, error) {
	c, ok, err := w.roles.Find(ctx, role, start)
	if ok {
		return c, err
	}
	return w.key.Mint(role, task, start), w.err
}

func (w *world) Protection(string) (time.Time, string) { return w.until, w.failure }

func (w *world) Protect(_ context.Context, _ string, until time.Time) (string, error) {
	if w.failure == "" {
		w.until = until
	}
	return w.failure, w.err
}

// wellKnown is the door at 169.254.170.2:80.
func wellKnown() metadata.Door { return metadata.Door{Address: "169.254.170.2:80", WellKnown: true} }

// other is a door elsewhere.
func other() metadata.Door { return metadata.Door{Address: "169.254.170.2:4711"} }

// request is one that a container makes.
type request struct {
	method, path, body string
	from               string // address
	header             http.Header
	door               metadata.Door
}

func (w *world) handler() *metadata.Handler {
	return metadata.New(metadata.Config{
		Key: w.key, World: w, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler),
	})
}

func ask(h *metadata.Handler, q request) (status int, body string) {
	if q.method == "" {
		q.method = http.MethodGet
	}
	if q.from == "" {
		q.from = "172.31.0.10"
	}
	if q.door.Address == "" {
		q.door = wellKnown()
	}
	r := httptest.NewRequest(q.method, "http://"+q.door.Address+q.path, strings.NewReader(q.body))
	r.RemoteAddr = q.from + ":50000"
	maps.Copy(r.Header, q.header)
	answer := httptest.NewRecorder()
	h.At(q.door).ServeHTTP(answer, r)
	text, _ := io.ReadAll(answer.Result().Body) // a recorder's body is read without fail
	return answer.Code, string(text)
}

// variables are those that the container app of a task is told, by name.
func (w *world) variables(task, address string, d metadata.Door) map[string]string {
	all := map[string]string{}
	for _, entry := range w.key.Environment(nil, d, metadata.Caller{Task: task, Container: "app", Address: address, Role: true}) {
		name, value, _ := strings.Cut(entry, "=")
		all[name] = strings.TrimPrefix(strings.TrimPrefix(value, "http://"+d.Address), "http://169.254.170.2")
	}
	return all
}

// app is the path that the first task's app is told, with more at its end.
func (w *world) app(more string) string {
	return w.variables(taskOne, "172.31.0.10", wellKnown())["ECS_CONTAINER_METADATA_URI_V4"] + more
}
