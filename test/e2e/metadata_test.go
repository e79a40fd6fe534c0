package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// variables are those of a task's container, by name.
func variables(t *testing.T, p *process, task string) map[string]string {
	t.Helper()
	out, code := verb(t, p, "", "exec", task[strings.LastIndexByte(task, '/')+1:], "--", "/usr/bin/env")
	if code != 0 {
		t.Fatalf("env = %d %s", code, out)
	}
	all := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		all[name] = value
	}
	return all
}

// call makes a request as a container would.
func call(t *testing.T, method, url, body string, header map[string]string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(text)
}

// TestMetadata: tasks find out about themselves, get the credentials of their roles, and protect themselves; after the
// agent was killed as before.
func TestMetadata(t *testing.T) {
	t.Parallel()
	const mapped = "arn:aws:iam::123456789012:role/mapped"
	dir := stateDir(t)
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id=MINE\naws_secret_access_key=S\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	agent := start(t, "agent", "--data-dir", dir, "--driver", "process", "--task-role", mapped+"="+file)
	c := client(server.api)
	container := sleeper()
	container.Name, container.Cpu, container.Memory = aws.String("app"), 16, aws.Int32(16)
	if _, err := c.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("worker"), TaskRoleArn: aws.String(mapped), ContainerDefinitions: []types.ContainerDefinition{container},
	}); err != nil {
		t.Fatal(err)
	}
	createWorker(t, c, 2)
	tasks := listed(t, c, worker)
	env := variables(t, server, tasks[0])
	look := func() {
		t.Helper()
		status, answer := call(t, http.MethodGet, env["ECS_CONTAINER_METADATA_URI_V4"]+"/task", "", nil)
		if status != http.StatusOK || !strings.Contains(answer, `"TaskARN":"`+tasks[0]+`"`) || !strings.Contains(answer, `"ServiceName":"worker"`) {
			t.Errorf("/task = %d %s", status, answer)
		}
	}
	look()
	eventually(t, "/stats tells of the memory, which is measured once a second", func() bool {
		status, answer := call(t, http.MethodGet, env["ECS_CONTAINER_METADATA_URI_V4"]+"/stats", "", nil)
		var stats struct {
			Memory struct{ Usage, Limit int64 } `json:"memory_stats"`
		}
		if err := json.Unmarshal([]byte(answer), &stats); err != nil || status != http.StatusOK {
			t.Fatalf("/stats = %d %s (%v)", status, answer, err)
		}
		return stats.Memory.Usage > 0 && stats.Memory.Limit == 16<<20
	})
	credentials(t, env)
	protect(t, c, env, tasks)

	agent.kill()
	start(t, "agent", "--data-dir", dir, "--driver", "process")
	stable(t, c)
	look()
	other := variables(t, server, tasks[1])
	if other["ECS_CONTAINER_METADATA_URI_V4"] == env["ECS_CONTAINER_METADATA_URI_V4"] {
		t.Error("two tasks have the same id")
	}
}

func credentials(t *testing.T, env map[string]string) {
	t.Helper()
	url, token := env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], map[string]string{"Authorization": env["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
	if status, answer := call(t, http.MethodGet, url, "", token); status != http.StatusOK || !strings.Contains(answer, `"AccessKeyId":"MINE"`) {
		t.Errorf("the credentials are %d %s, want those of the operator's file", status, answer)
	}
	if status, answer := call(t, http.MethodGet, url, "", nil); status != http.StatusForbidden {
		t.Errorf("without the token: %d %s, want 403", status, answer)
	}
	token["X-Forwarded-For"] = "10.0.0.1"
	if status, answer := call(t, http.MethodGet, url, "", token); status != http.StatusForbidden {
		t.Errorf("forwarded: %d %s, want 403", status, answer)
	}
}

// protect lets a task protect itself, which the ECS API tells then, of that task alone.
func protect(t *testing.T, c *ecs.Client, env map[string]string, tasks []string) {
	t.Helper()
	status, answer := call(t, http.MethodPut, env["ECS_AGENT_URI"]+"/task-protection/v1/state", `{"ProtectionEnabled":true,"ExpiresInMinutes":60}`, nil)
	if status != http.StatusOK || !strings.Contains(answer, `"ProtectionEnabled":true`) {
		t.Errorf("a task protects itself: %d %s", status, answer)
	}
	got, err := c.GetTaskProtection(t.Context(), &ecs.GetTaskProtectionInput{Cluster: aws.String("default"), Tasks: tasks})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got.ProtectedTasks {
		if p.ProtectionEnabled != (*p.TaskArn == tasks[0]) {
			t.Errorf("protection of %s is %v", *p.TaskArn, p.ProtectionEnabled)
		}
		if p.ProtectionEnabled && time.Until(*p.ExpirationDate) > time.Hour {
			t.Errorf("it is protected until %v, want an hour at most", p.ExpirationDate)
		}
	}
	if len(got.ProtectedTasks) != 2 {
		t.Errorf("the API tells the protection of %d tasks, want 2", len(got.ProtectedTasks))
	}
	_, answer = call(t, http.MethodPut, env["ECS_AGENT_URI"]+"/task-protection/v1/state", `{"ProtectionEnabled":false}`, nil)
	if !strings.Contains(answer, `"ExpirationDate":null,"ProtectionEnabled":false`) {
		t.Errorf("it takes the protection away: %s", answer)
	}
}
