package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/issuer/acmetest"
)

// built holds the binaries that all tests share.
var built struct{ dir string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "maitred-e2e")
	if err == nil {
		built.dir = dir
		err = errors.Join(build(dir), acmetest.Setup())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build makes the binary as the Makefile does.
func build(dir string) error {
	for out, pkg := range map[string]string{"maitred": "./cmd/maitred", "examples/web": "./examples/web", "guest": "./test/e2e/guest"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, out), pkg)
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return nil
}

func binary() string { return filepath.Join(built.dir, "maitred") }

// process is a running maitred.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	api  string
	done chan struct{}
	mu   sync.Mutex
	text bytes.Buffer // all that it wrote
}

// start runs a verb and waits until it says that it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary(), args...), done: make(chan struct{})}
	p.cmd.Env = environment()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = writerFunc(p.add)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go p.read(out, ready)
	t.Cleanup(p.leave)
	select {
	case <-ready:
	case <-p.done:
		t.Fatalf("maitred %s ended:\n%s", strings.Join(args, " "), p.output())
	case <-time.After(patience):
		t.Fatalf("maitred %s is not ready after %v:\n%s", strings.Join(args, " "), patience, p.output())
	}
	return p
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func (p *process) add(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// read follows the output; the line with the state directory is the last one that every role writes.
func (p *process) read(out io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.add([]byte(lines.Text() + "\n"))
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "API":
			p.api = strings.TrimSpace(value)
		case "State":
			close(ready)
		}
	}
	_ = p.cmd.Wait()
	close(p.done)
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// leave is Ctrl-C twice, so that no network of containers stays on this machine, and kill -9 for whom that does not end.
func (p *process) leave() {
	defer p.kill()
	if slices.Contains(p.cmd.Args, "up") && !slices.Contains(p.cmd.Args, "process") {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
			_ = p.cmd.Process.Signal(os.Interrupt)
			select {
			case <-p.done:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}

// interrupt is Ctrl-C.
func (p *process) interrupt() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("it does not end:\n%s", p.output())
	}
}

func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "MAITRED_") {
			env = append(env, e)
		}
	}
	return env
}

// up runs everything in one process.
func up(t *testing.T, dir string, more ...string) *process {
	t.Helper()
	return start(t, append([]string{"up", "--data-dir", dir, "--listen", "127.0.0.1:0", "--driver", "process"}, more...)...)
}

// stateDir is a data directory whose keeper, and with it every task, is ended after the test.
func stateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "maitred-state") //nolint:usetesting // processes of the test write there until they are killed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		killAll(t, dir)
		_ = os.RemoveAll(dir)
	})
	return dir
}

// killAll ends all that runs for a data directory: who might start something first, then the tasks, whose parent is the
// keeper and who would outlive it, and the keeper last.
func killAll(t *testing.T, dir string) {
	t.Helper()
	keepers := map[int]bool{}
	for _, pid := range pidsWith(dir) {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); bytes.Contains(line, []byte("\x00keeper\x00")) {
			keepers[pid] = true
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for keeper := range keepers {
		eventually(t, "the keeper has no tasks left", func() bool {
			tasks := children(keeper)
			for _, pid := range tasks {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			return len(tasks) == 0
		})
		_ = syscall.Kill(keeper, syscall.SIGKILL)
	}
}

// children lists the processes whose parent a process is.
func children(parent int) []int {
	var pids []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, name := range lists {
		text, _ := os.ReadFile(name)
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// pidsWith lists the processes whose command line or environment names a directory.
func pidsWith(dir string) []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		env, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		if bytes.Contains(line, []byte(dir)) || bytes.Contains(env, []byte(dir)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// client is the Go SDK on an API.
func client(api string) *ecs.Client { return clientIn(api, "us-east-1") }

func clientIn(api, region string) *ecs.Client {
	return ecs.New(ecs.Options{
		Region: region, BaseEndpoint: aws.String(api),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "maitred", SecretAccessKey: "maitred"}, nil
		}),
	})
}

// patience bounds every wait: nothing is wrong that takes longer on a busy machine. A stop alone may take the 30 s of the
// usual stopTimeout, where its signal came too early; a scale-in of the fast lane waits for a minute in which nobody was starved.
const patience = 4 * time.Minute

// eventually looks until it sees what it waits for.
func eventually(t *testing.T, what string, look func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !look() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-tick.C
	}
}

// define registers a task definition of one container.
func define(t *testing.T, c *ecs.Client, family string, container types.ContainerDefinition) string {
	t.Helper()
	container.Name, container.Cpu, container.Memory = aws.String("app"), 16, aws.Int32(16)
	out, err := c.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String(family), ContainerDefinitions: []types.ContainerDefinition{container},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.TaskDefinition.TaskDefinitionArn
}

// worker is the service of these stories.
const worker = "worker"

// running is the pids of its running tasks by task ARN.
func running(t *testing.T, c *ecs.Client) map[string]int {
	t.Helper()
	list, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: aws.String(worker)})
	if err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, task := range describe(t, c, list.TaskArns) {
		if aws.ToString(task.LastStatus) == "RUNNING" && aws.ToString(task.DesiredStatus) == "RUNNING" {
			pid, err := strconv.Atoi(aws.ToString(task.Containers[0].RuntimeId))
			if err != nil {
				t.Fatalf("runtime id of a process is its pid: %v", err)
			}
			pids[*task.TaskArn] = pid
		}
	}
	return pids
}

// listed is the ARNs of the tasks of a service that are wanted.
func listed(t *testing.T, c *ecs.Client, service string) []string {
	t.Helper()
	list, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: &service})
	if err != nil {
		t.Fatal(err)
	}
	return list.TaskArns
}

func describe(t *testing.T, c *ecs.Client, arns []string) []types.Task {
	t.Helper()
	if len(arns) == 0 {
		return nil
	}
	out, err := c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: arns})
	if err != nil {
		t.Fatal(err)
	}
	return out.Tasks
}

// stopped lists the tasks of the service that are over.
func stopped(t *testing.T, c *ecs.Client) []types.Task {
	t.Helper()
	list, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: aws.String(worker), DesiredStatus: types.DesiredStatusStopped})
	if err != nil {
		t.Fatal(err)
	}
	return describe(t, c, list.TaskArns)
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func get(url string) (string, error) {
	impatient := http.Client{Timeout: 15 * time.Second}
	answer, err := impatient.Get(url) //nolint:noctx // it has a time limit
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
