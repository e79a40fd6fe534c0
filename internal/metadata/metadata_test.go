package metadata_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/metadata"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestShapes asks for all that there is, and compares it with a golden file.
func TestShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.handler()
	id := "11111111111111111111111111111111-app-0"
	measure := func(after, cpu time.Duration, memory int64) {
		w.usage = metadata.Measurement{
			At: start.Add(after), System: 100*time.Second + 2*after, Online: 2,
			Containers: map[string]driver.Usage{id: {CPU: cpu, Memory: memory}},
		}
	}
	measure(0, time.Second, 1000)
	if status, body := ask(h, request{path: w.app("/stats")}); status != http.StatusOK || !strings.Contains(body, `"total_usage":1000000000`) {
		t.Errorf("the first measurement is %d %s", status, body)
	}
	measure(10*time.Second, 3*time.Second, 2000)
	var got bytes.Buffer
	for _, path := range []string{"", "/task", "/taskWithTags", "/stats", "/task/stats"} {
		status, body := ask(h, request{path: w.app(path)})
		if status != http.StatusOK {
			t.Errorf("%s = %d %s", path, status, body)
		}
		got.WriteString("# ${ECS_CONTAINER_METADATA_URI_V4}" + path + "\n")
		if err := json.Indent(&got, []byte(body), "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
	}
	golden := filepath.Join("testdata", "v4.txt")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the answers (-want +got):\n%s", diff)
	}
}

// TestRefused: whoever has no id of a task, asks from elsewhere, or through a proxy, learns nothing.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := w.variables(taskTwo, "172.31.0.11", wellKnown())["ECS_CONTAINER_METADATA_URI_V4"]
	tests := []struct {
		name string
		request
		want int
	}{
		{"the task itself", request{path: w.app("/task")}, http.StatusOK},
		{"another task's id", request{path: two + "/task"}, http.StatusNotFound},
		{"the id, from another task", request{path: w.app("/task"), from: "172.31.0.11"}, http.StatusNotFound},
		{"the id, from the machine", request{path: w.app("/task"), from: "127.0.0.1"}, http.StatusNotFound},
		{"a code cut short", request{path: w.app("")[:len(w.app(""))-1]}, http.StatusNotFound},
		{"the task's id alone", request{path: "/v4/11111111111111111111111111111111"}, http.StatusNotFound},
		{"another task's code", request{path: "/v4/11111111111111111111111111111111" + two[strings.LastIndex(two, "-"):]}, http.StatusNotFound},
		{"a list", request{path: "/v4/"}, http.StatusNotFound},
		{"the root", request{path: "/"}, http.StatusNotFound},
		{"another version", request{path: strings.Replace(w.app(""), "v4", "v2", 1)}, http.StatusNotFound},
		{"what does not exist", request{path: w.app("/secrets")}, http.StatusNotFound},
		{"forwarded", request{path: w.app("/task"), header: http.Header{"X-Forwarded-For": {"1.2.3.4"}}}, http.StatusForbidden},
		{"forwarded, empty", request{path: w.app("/task"), header: http.Header{"X-Forwarded-For": {""}}}, http.StatusForbidden},
		{"forwarded, RFC 7239", request{path: w.app("/task"), header: http.Header{"Forwarded": {"for=1.2.3.4"}}}, http.StatusForbidden},
		{
			"the id of metadata, for credentials",
			request{path: strings.Replace(w.app(""), "/v4/", "/v2/credentials/", 1)},
			http.StatusBadRequest,
		},
	}
	for _, tt := range tests {
		status, body := ask(w.handler(), tt.request)
		if status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.want)
		}
		if status != http.StatusOK && strings.Contains(body, "arn:") {
			t.Errorf("%s: the refusal tells of a task: %s", tt.name, body)
		}
	}
}

// TestPlain: tasks in the machine's own network are known by their ids alone.
func TestPlain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.facts["11111111111111111111111111111111"]
	f.Network, f.Seen.Attachment, f.Plain = nil, nil, true
	w.facts["11111111111111111111111111111111"] = f
	path := w.variables(taskOne, "", other())["ECS_CONTAINER_METADATA_URI_V4"]
	status, body := ask(w.handler(), request{path: path, from: "127.0.0.1", door: other()})
	if status != http.StatusOK || !strings.Contains(body, `"NetworkMode":"host"`) {
		t.Errorf("= %d %s, want the container, in the machine's network", status, body)
	}
}

// TestGone: a task that is over is not known any more.
func TestGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.app("/task")
	delete(w.facts, "11111111111111111111111111111111")
	if status, body := ask(w.handler(), request{path: path}); status != http.StatusNotFound {
		t.Errorf("= %d %s, want 404", status, body)
	}
}

// TestDriverFails: an error of the driver is no answer about the task, and not told.
func TestDriverFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.err = errors.New("socket /private/path")
	for _, path := range []string{"", "/task", "/taskWithTags", "/stats", "/task/stats"} {
		if status, body := ask(w.handler(), request{path: w.app(path)}); status != http.StatusInternalServerError || strings.Contains(body, "private") {
			t.Errorf("%q = %d %s, want 500 without the reason", path, status, body)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	caller := metadata.Caller{Task: taskOne, Container: "app"}
	before := []string{"A=1", "ECS_AGENT_URI=forged"}
	got := w.key.Environment(before, other(), caller)
	if len(got) != 4 || got[0] != "A=1" || !strings.HasPrefix(got[2], "ECS_AGENT_URI=http://169.254.170.2:4711/api/1111") {
		t.Errorf("without a role: %q", got)
	}
	if before[1] != "ECS_AGENT_URI=forged" {
		t.Errorf("the list given was changed: %q", before)
	}
	at80 := w.variables(taskOne, "", wellKnown())
	if at80["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] == "" || at80["AWS_CONTAINER_CREDENTIALS_FULL_URI"] != "" || at80["AWS_CONTAINER_AUTHORIZATION_TOKEN"] != "" {
		t.Errorf("at 169.254.170.2:80: %q, want the relative URI alone", at80)
	}
	elsewhere := w.variables(taskOne, "", other())
	if elsewhere["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] != "" || elsewhere["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "" || elsewhere["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == "" {
		t.Errorf("elsewhere: %q, want the full URI and the token", elsewhere)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "metadata.key")
	first, err := metadata.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := metadata.LoadKey(path)
	if err != nil || again.Container(taskOne, "app", "") != first.Container(taskOne, "app", "") {
		t.Errorf("after a restart the ids are others (%v)", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file is %v, %v; want it to be its owner's alone", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil { //nolint:gosec // that is what is refused
		t.Fatal(err)
	}
	if _, err := metadata.LoadKey(path); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that others can read: %v, want what would be right", err)
	}
	for _, text := range []string{"", "zz", "00ff"} {
		bad := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := metadata.LoadKey(bad); err == nil {
			t.Errorf("the key %q was taken", text)
		}
	}
}
