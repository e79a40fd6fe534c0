package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/maitred/maitred/internal/testneeds"
)

// guestImage pushes an image of the guest alone to a registry of the test's own, and gives its name.
func guestImage(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/guest:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, guestAlone(t, nil)); err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

// guestAlone makes that image; change may add to its configuration.
func guestAlone(t *testing.T, change func(*v1.Config)) v1.Image {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(built.dir, "guest"))
	if err != nil {
		t.Fatal(err)
	}
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	for _, h := range []*tar.Header{
		{Name: "etc", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "guest", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(root.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.OS, config.Architecture, config.Config.Entrypoint = "linux", "amd64", []string{"/guest"}
	if change != nil {
		change(&config.Config)
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

// aws runs `aws SERVICE …` and gives what it prints.
func (c cli) aws(args ...string) string {
	c.t.Helper()
	cmd := exec.Command(c.path, args...)
	cmd.Env = c.env
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("aws %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// verb runs maitred against a server, and gives what it prints and its exit code.
func verb(t *testing.T, p *process, stdin string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(binary(), append(args[:1:1], append([]string{"--endpoint", p.api}, args[1:]...)...)...)
	cmd.Env, cmd.Stdin = environment(), strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed { //nolint:errorlint // Output does not wrap it
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// object is a JSON object.
type object = map[string]any

// shop is a task definition with nearly everything: a container that prepares a volume and must succeed, the
// application with a health check, a secret, limits and a root that is read-only, and a sidecar that waits for it to be
// healthy and reaches it on the loopback interface of the task.
func shop(image string) object {
	logs := object{"logDriver": "awslogs", "options": object{
		"awslogs-group": "/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "v1", "awslogs-create-group": "true",
	}}
	mount := []object{{"sourceVolume": "data", "containerPath": "/data"}}
	return object{
		"family": "shop", "networkMode": "awsvpc", "cpu": "256", "memory": "256", "executionRoleArn": "arn:aws:iam::123456789012:role/e",
		"volumes": []object{{"name": "data"}},
		"containerDefinitions": []object{
			{
				"name": "prepare", "image": image, "essential": false, "command": []string{"write", "/data/greeting", "hello", "volume"},
				"mountPoints": mount, "memory": 32,
			},
			{
				"name": "app", "image": image, "command": []string{"serve"}, "memory": 64, "cpu": 64, "readonlyRootFilesystem": true,
				"dependsOn":        []object{{"containerName": "prepare", "condition": "SUCCESS"}},
				"portMappings":     []object{{"containerPort": 8080}},
				"environment":      []object{{"name": "FILE", "value": "/data/greeting"}},
				"secrets":          []object{{"name": "SECRET", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/shop/token"}},
				"ulimits":          []object{{"name": "nofile", "softLimit": 512, "hardLimit": 512}},
				"healthCheck":      object{"command": []string{"CMD", "/guest", "fetch", "http://127.0.0.1:8080/"}, "interval": 5, "retries": 3},
				"mountPoints":      mount,
				"logConfiguration": logs,
			},
			{
				"name": "sidecar", "image": image, "command": []string{"fetch", "http://127.0.0.1:8080/", "stay"}, "memory": 32,
				"dependsOn": []object{{"containerName": "app", "condition": "HEALTHY"}}, "logConfiguration": logs,
			},
		},
	}
}

// TestShop runs that definition as a service by the unmodified aws CLI, on both drivers that run containers.
func TestShop(t *testing.T) {
	testneeds.Root(t)
	for _, driver := range []string{"oci", "docker"} {
		t.Run(driver, func(t *testing.T) {
			if driver == "docker" {
				t.Setenv("DOCKER_HOST", testneeds.Docker(t))
			} else {
				testneeds.Command(t, "runc")
			}
			runShop(t, driver)
		})
	}
}

func runShop(t *testing.T, driver string) {
	dir, before := stateDir(t), traces(t)
	p := start(t, "up", "--data-dir", dir, "--listen", "127.0.0.1:0", "--driver", driver)
	c := newCLI(t, p.api)
	if out, code := verb(t, p, "s3cret\n", "secret", "set", "/shop/token"); code != 0 {
		t.Fatalf("maitred secret set = %d %s", code, out)
	}
	subnet := c.aws("ec2", "describe-subnets", "--query", "Subnets[0].SubnetId", "--output", "text")
	group := c.aws("ec2", "create-security-group", "--group-name", "shop", "--description", "the shop", "--query", "GroupId", "--output", "text")
	c.aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "8080", "--cidr", "0.0.0.0/0")
	definition, err := json.Marshal(shop(guestImage(t)))
	if err != nil {
		t.Fatal(err)
	}
	c.ecs("register-task-definition", "--cli-input-json", string(definition))
	network := fmt.Sprintf("awsvpcConfiguration={subnets=[%s],securityGroups=[%s]}", subnet, group)
	c.ecs("create-service", "--service-name", "shop", "--task-definition", "shop", "--desired-count", "2", "--network-configuration", network)
	c.ecs("wait", "services-stable", "--services", "shop")

	task := c.ecs("list-tasks", "--service-name", "shop", "--query", "taskArns[0]", "--output", "text")
	address := c.ecs("describe-tasks", "--tasks", task, "--output", "text", "--query",
		"tasks[0].attachments[0].details[?name=='privateIPv4Address'].value | [0]")
	if net.ParseIP(address) == nil {
		t.Fatalf("the task's address is %q", address)
	}
	answer, err := get("http://" + net.JoinHostPort(address, "8080") + "/")
	if want := "secret=s3cret\nfile=hello volume\nroot=read-only\nuid=0\n"; err != nil || answer != want {
		t.Errorf("the application answers %q, %v; want %q", answer, err, want)
	}
	answer, err = get("http://" + net.JoinHostPort(address, "8080") + "/metadata")
	if err != nil || !strings.Contains(answer, task) {
		t.Errorf("the metadata of the task are %q, %v; want its ARN %s in it", answer, err, task)
	}
	if answer, err := get("http://" + net.JoinHostPort(address, "8081") + "/"); err == nil {
		t.Errorf("port 8081, which no rule lets in, answers %q", answer)
	}
	lookInside(t, p, c, task)

	c.aws("ecs", "delete-service", "--service", "shop", "--force")
	c.ecs("wait", "services-inactive", "--services", "shop")
	p.interrupt()
	eventually(t, "nothing is left", func() bool { return traces(t) == before })
	if t.Failed() {
		t.Logf("maitred said:\n%s", p.output())
	}
}

// lookInside reads the logs in all ways, and runs commands in a task.
func lookInside(t *testing.T, p *process, c cli, task string) {
	t.Helper()
	eventually(t, "the sidecar's line is in the log group", func() bool {
		return strings.Contains(c.aws("logs", "filter-log-events", "--log-group-name", "/shop", "--filter-pattern", "fetched", "--query", "events[].message", "--output", "text"), "fetched secret=s3cret file=hello volume")
	})
	id := task[strings.LastIndexByte(task, '/')+1:]
	stream := c.aws("logs", "get-log-events", "--log-group-name", "/shop", "--log-stream-name", "v1/app/"+id,
		"--query", "events[].message", "--output", "text")
	if stream != "serving" {
		t.Errorf("the application's stream is %q, want serving", stream)
	}
	if out, code := verb(t, p, "", "logs", "shop"); code != 0 || strings.Count(out, "serving") != 2 || strings.Count(out, "fetched") != 2 {
		t.Errorf("maitred logs shop = %d %s, want the lines of both tasks", code, out)
	}
	if out, code := verb(t, p, "", "exec", id, "-c", "app", "--", "/guest", "say", "hi"); code != 0 || out != "hi\n" {
		t.Errorf("maitred exec = %d %q, want hi", code, out)
	}
	if out, code := verb(t, p, "", "exec", id, "-c", "app", "--", "/guest", "exit", "7"); code != 7 {
		t.Errorf("maitred exec of what ends with 7 = %d %q", code, out)
	}
	if out, code := verb(t, p, "one\n", "exec", "-i", id, "-c", "app", "--", "/guest", "ask"); code != 0 || out != "you said one\n" {
		t.Errorf("maitred exec -i = %d %q, want what was typed", code, out)
	}
	if out, code := verb(t, p, "", "exec", id, "-c", "cashier", "--", "/guest", "say"); code == 0 || !strings.Contains(out, "sidecar") {
		t.Errorf("maitred exec in an unknown container = %d %q, want the names of those there are", code, out)
	}
}

// traces counts what containers leave on a machine: mounts, network namespaces that are mounted, interfaces, cgroups.
func traces(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	pairs := 0
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if strings.HasPrefix(i.Name, "veth") || strings.HasPrefix(i.Name, "mt") {
			pairs++
		}
	}
	cgroups := 0
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "maitred") && strings.Count(path, "/") > 6 {
			cgroups++
		}
		return nil
	})
	return fmt.Sprintf("%d mounts, %d pairs, %d cgroups", bytes.Count(mounts, []byte("\n")), pairs, cgroups)
}
