package daemon

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/fake"
	"github.com/maitred/maitred/internal/metadata"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const metaTask = "arn:aws:ecs:us-east-1:123456789012:task/default/11111111111111111111111111111111"

// TestDoors: the ports are those of the last time, unless somebody else has them.
func TestDoors(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.DataDir = t.TempDir()
	s := &server{cfg: c}
	open := func() (*endpoints, []openDoor) {
		e := &endpoints{plain: true}
		doors, err := s.openDoors(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return e, doors
	}
	first, listeners := open()
	if len(listeners) != 1 || first.doors.link.Address != "" || first.doors.loopback.WellKnown {
		t.Errorf("the process driver has %+v, want one door on the loopback interface", first.doors)
	}
	taken := listeners[0]
	second, listeners := open() // while the port is taken
	if second.doors.loopback == first.doors.loopback {
		t.Errorf("two listen at %s", first.doors.loopback.Address)
	}
	for _, l := range append(listeners, taken) {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	third, listeners := open()
	if third.doors != second.doors {
		t.Errorf("after a restart: %+v, want %+v", third.doors, second.doors)
	}
	for _, l := range listeners {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPortTaken: of several maitreds on one machine, the first one has the well-known port.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, text, _ := net.SplitHostPort(l.Addr().String())
	s := &server{cfg: Defaults()}
	door, err := s.openDoor(t.Context(), "127.0.0.1", 0, l.Addr().(*net.TCPAddr).Port, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = door.Close() }()
	if strings.HasSuffix(door.door.Address, ":"+text) || door.door.WellKnown {
		t.Errorf("the door is %+v, though %s is taken", door.door, text)
	}
}

func TestDoorOfContainers(t *testing.T) {
	t.Parallel()
	e := &endpoints{doors: doors{link: metadata.Door{Address: "link"}, loopback: metadata.Door{Address: "loopback"}}}
	tests := []struct {
		mode      string
		plain, no bool
		want      string
	}{
		{"", false, false, "link"},
		{"bridge", false, false, "link"},
		{"awsvpc", false, false, "link"},
		{"host", false, false, "loopback"},
		{"none", false, false, ""},
		{"bridge", false, true, ""},
		{"bridge", true, false, "loopback"},
	}
	for _, tt := range tests {
		e.plain = tt.plain
		spec := driver.Spec{Definition: model.ContainerDefinition{NoNetwork: tt.no}, Sandbox: driver.Sandbox{NetworkMode: tt.mode}}
		if got := e.door(&spec).Address; got != tt.want {
			t.Errorf("mode %q (plain %v, no network %v): %q, want %q", tt.mode, tt.plain, tt.no, got, tt.want)
		}
	}
}

// TestTaskWorld asks for a task's metadata and protects it, through a real store.
func TestTaskWorld(t *testing.T) {
	t.Parallel()
	st, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{Machine: "m1"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	put := func(records ...model.Record) {
		t.Helper()
		if _, err := st.Update(t.Context(), func(tx *store.Tx) error {
			for _, r := range records {
				tx.Put(r)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	const def = "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:1"
	service := "arn:aws:ecs:us-east-1:123456789012:service/default/shop"
	task := &model.Task{ARN: metaTask, Machine: "m1", TaskDefinition: def, Desired: model.TaskRunning, Service: service}
	put(task, &model.TaskDefinition{
		ARN: def, Region: "us-east-1", Family: "shop", Revision: 1, Containers: []model.ContainerDefinition{{Name: "app"}},
	})
	key, err := metadata.LoadKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	d := fake.New(fake.Config{}).Connect()
	h := metadata.New(metadata.Config{
		Key: key, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		World: &taskWorld{store: st, machine: &model.Machine{ID: "m1"}, driver: d, key: key, plain: true},
	}).At(metadata.Door{Address: "127.0.0.1:1"})
	ask := func(method, path, body string) string {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		return answer.Body.String()
	}
	id := key.Container(metaTask, "app", "")
	if got := ask(http.MethodGet, "/v4/"+id+"/task", ""); !strings.Contains(got, metaTask) {
		t.Errorf("/task = %s", got)
	}
	const state = "/task-protection/v1/state"
	if got := ask(http.MethodPut, "/api/"+id+state, `{"ProtectionEnabled":true}`); !strings.Contains(got, `"ProtectionEnabled":true`) {
		t.Errorf("PUT = %s", got)
	}
	if now, _ := st.View().Task(metaTask); !now.Protected(time.Now().Add(119*time.Minute)) || now.Protected(time.Now().Add(121*time.Minute)) {
		t.Errorf("the record is protected until %v, want two hours", now.ProtectedUntil)
	}
	if got := ask(http.MethodGet, "/api/"+id+state, ""); !strings.Contains(got, `"ProtectionEnabled":true`) {
		t.Errorf("GET = %s", got)
	}
	alone := *task
	alone.Service = ""
	put(&alone)
	if got := ask(http.MethodPut, "/api/"+id+state, `{"ProtectionEnabled":true}`); !strings.Contains(got, `"Reason":"TASK_NOT_VALID"`) {
		t.Errorf("PUT for a task of no service = %s", got)
	}
	put(&model.Observed{Task: metaTask, Machine: "m1", Status: model.TaskStopped})
	if got := ask(http.MethodGet, "/v4/"+id+"/task", ""); strings.Contains(got, metaTask) {
		t.Errorf("a task that is over is told %s", got)
	}
}

// TestPrepareEndpoints: the address of the task's own is part of what it is told.
func TestPrepareEndpoints(t *testing.T) {
	t.Parallel()
	key, err := metadata.LoadKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoints{key: key, doors: doors{link: metadata.Door{Address: "169.254.170.2:80", WellKnown: true}}}
	spec := driver.Spec{
		Definition: model.ContainerDefinition{Name: "app"},
		Sandbox:    driver.Sandbox{NetworkMode: "awsvpc", Attachment: &model.Attachment{Address: "172.31.0.10"}},
	}
	e.prepare(&model.Task{ARN: metaTask}, &model.TaskDefinition{}, &spec)
	if want := "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/" + key.Container(metaTask, "app", "172.31.0.10"); !slices.Contains(spec.Env, want) {
		t.Errorf("the variables are %q, want %s in them", spec.Env, want)
	}
	before := len(spec.Env)
	spec.Sandbox.NetworkMode = "none"
	e.prepare(&model.Task{ARN: metaTask}, &model.TaskDefinition{}, &spec)
	if len(spec.Env) != before {
		t.Errorf("without a network it is told %q", spec.Env)
	}
}
