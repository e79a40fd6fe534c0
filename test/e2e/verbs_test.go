package e2e

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// run is a command line to its end.
func run(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(binary(), args...)
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &err, append(environment(), env...)
	failure := cmd.Run()
	var exit *exec.ExitError
	if failure != nil && !errors.As(failure, &exit) {
		t.Fatal(failure)
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// TestVerbs is the contract of the command line: others script against it.
func TestVerbs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		env    []string
		args   []string
		code   int
		stdout string // substring
		stderr string // substring
	}{
		{name: "version", args: []string{"version"}, stdout: "maitred "},
		{name: "help", args: []string{"help"}, stdout: "maitred [command]"},
		{name: "help of a flag's value", args: []string{"up", "--help"}, stdout: "--timings string "},
		{name: "nothing", stdout: "maitred [command]"},
		{name: "env", args: []string{"env"}, stdout: "export AWS_ENDPOINT_URL=http://127.0.0.1:6248\n"},
		{name: "env by a variable", env: []string{"MAITRED_ENDPOINT=http://127.0.0.1:7000"}, args: []string{"env"}, stdout: "export AWS_ENDPOINT_URL=http://127.0.0.1:7000\n"},
		{name: "env where another address is listened on", env: []string{"MAITRED_LISTEN=127.0.0.1:7001"}, args: []string{"env"}, stdout: "export AWS_ENDPOINT_URL=http://127.0.0.1:7001\n"},
		{name: "why where another address is listened on", env: []string{"MAITRED_LISTEN=127.0.0.1:1"}, args: []string{"why", "web"}, code: 1, stderr: "http://127.0.0.1:1 "},
		{name: "timings", args: []string{"timings"}, stdout: "healthy-after       40s    2s"},
		{name: "timings in JSON", args: []string{"timings", "--json"}, stdout: `"Name": "healthy-after"`},
		{name: "operations", args: []string{"operations"}, stdout: "CreateService"},
		{name: "an unknown verb", args: []string{"dance"}, code: 2, stderr: `"dance"`},
		{name: "an unknown flag", args: []string{"up", "--dance"}, code: 2, stderr: "--dance"},
		{name: "a word too many", args: []string{"up", "now"}, code: 2, stderr: `"now"`},
		{name: "a bad driver", args: []string{"up", "--driver", "magic"}, code: 2, stderr: "auto, oci, docker or process"},
		{name: "a bad driver by a variable", env: []string{"MAITRED_DRIVER=magic"}, args: []string{"up"}, code: 2, stderr: `"magic"`},
		{name: "bad timings", args: []string{"server", "--timings", "slow"}, code: 2, stderr: "fast or ecs"},
		{name: "a bad account", args: []string{"up", "--account-id", "12"}, code: 2, stderr: "12 digits"},
		{name: "a bad address", args: []string{"up", "--listen", "6248"}, code: 2, stderr: "HOST:PORT"},
		{name: "an open address", args: []string{"up", "--listen", "0.0.0.0:6248"}, code: 2, stderr: "--allow-any-address"},
		{name: "an unknown example", args: []string{"up", "--example", "blog"}, code: 2, stderr: "web"},
		{name: "a flag that is no number", env: []string{"MAITRED_DEBUG=perhaps"}, args: []string{"up"}, code: 2, stderr: "MAITRED_DEBUG"},
		{name: "why of nothing", args: []string{"why"}, code: 2, stderr: "why takes one"},
		{name: "why without a server", args: []string{"why", "--endpoint", "http://127.0.0.1:1", "web"}, code: 1, stderr: "is it running?"},
		{name: "top without a server", args: []string{"top", "--endpoint", "http://127.0.0.1:1"}, code: 1, stderr: "is it running?"},
		{name: "an agent without a server", args: []string{"agent", "--data-dir", "/tmp/maitred-nowhere", "--driver", "process"}, code: 1, stderr: "no etcd member"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := run(t, c.env, c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, c.code, stdout, stderr)
			}
		})
	}
}

// TestExample is what `make up` shows.
func TestExample(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	p := up(t, dir, "--example", "web")
	eventually(t, "it has said everything", func() bool { return strings.Contains(p.output(), "Ctrl-C") })
	var urls []string
	for line := range strings.SplitSeq(p.output(), "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "http://") {
			urls = append(urls, line)
		}
	}
	if len(urls) != 1 || !strings.Contains(p.output(), "service web runs 3 tasks behind a load balancer:") {
		t.Fatalf("%d addresses are announced, want that of a load balancer:\n%s", len(urls), p.output())
	}
	answers := map[string]bool{}
	eventually(t, "all three tasks answer", func() bool {
		text, err := get(urls[0])
		if err != nil {
			t.Error(err)
		}
		answers[text] = true
		return len(answers) == 3
	})
	for _, url := range urls {
		if _, err := get(strings.Replace(url, "127.0.0.1", "127.0.0.2", 1)); err == nil {
			t.Errorf("%s is reached by another address too: nothing but loopback's is bound unless asked for", url)
		}
	}
	for _, url := range append(urls, p.api+"/healthz", p.api+"/") {
		if _, err := get(url); err != nil {
			t.Error(err)
		}
	}
	page, _ := get(p.api + "/")
	if !strings.Contains(page, "web:1") || !strings.Contains(page, "maitred env") {
		t.Errorf("the page does not say what runs and how to talk to it:\n%s", page)
	}
	for _, want := range []string{"Driver   process", "AWS_ENDPOINT_URL=" + p.api, "Console"} {
		if !strings.Contains(p.output(), want) {
			t.Errorf("it does not say %q:\n%s", want, p.output())
		}
	}
	whyTells(t, p.api, "web", "somebody called CreateService")
	if code, _, stderr := run(t, nil, "why", "--endpoint", p.api, "nosuch"); code != 1 || !strings.Contains(stderr, `"nosuch"`) {
		t.Errorf("why of what is not there: %d, %s", code, stderr)
	}
	if code, _, stderr := run(t, nil, "up", "--data-dir", dir, "--listen", "127.0.0.1:0"); code != 1 || !strings.Contains(stderr, "used by another process") {
		t.Errorf("a second maitred on the same state: %d, %s", code, stderr)
	}
}

// TestExampleThatWasChanged starts `maitred up` on a state whose example service has been made one that cannot run: it is
// up all the same, and says so.
func TestExampleThatWasChanged(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	args := []string{"--example", "web", "--region", "eu-west-1"}
	p := up(t, dir, args...)
	eventually(t, "it has said everything", func() bool { return strings.Contains(p.output(), "Ctrl-C") })
	if want := "AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1"; !strings.Contains(p.output(), want) {
		t.Errorf("it does not say %q:\n%s", want, p.output())
	}
	if page, err := get(p.api + "/"); err != nil || !strings.Contains(page, "eu-west-1") {
		t.Errorf("the page does not name the region: %v\n%s", err, page)
	}
	c := clientIn(p.api, "eu-west-1")
	define(t, c, "web", types.ContainerDefinition{Image: aws.String("an-image")})
	if _, err := c.UpdateService(t.Context(), &ecs.UpdateServiceInput{
		Service: aws.String("web"), TaskDefinition: aws.String("web"), LoadBalancers: []types.LoadBalancer{},
		DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(0), MaximumPercent: aws.Int32(100)},
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old tasks are over", func() bool { return len(listed(t, c, "web")) == 0 })
	p.interrupt()
	p = up(t, dir, args...)
	eventually(t, "it has said everything", func() bool { return strings.Contains(p.output(), "Ctrl-C") })
	if want := "web does not have its tasks yet"; !strings.Contains(p.output(), want) {
		t.Errorf("it does not say %q:\n%s", want, p.output())
	}
	eventually(t, "it is well", func() bool { // the store has a second to answer
		text, err := get(p.api + "/healthz")
		return err == nil && text == "ok\n"
	})
}

// TestServerAlone says how to talk to it, and what it lacks as long as there is no machine.
func TestServerAlone(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	args := []string{"server", "--data-dir", dir, "--listen", "127.0.0.1:0"}
	p := start(t, args...)
	lacks := "Run `maitred agent --data-dir " + dir + "` to give it a machine."
	eventually(t, "it has said what it lacks", func() bool { return strings.Contains(p.output(), lacks) })
	if want := "export AWS_ENDPOINT_URL=" + p.api; !strings.Contains(p.output(), want) {
		t.Errorf("it does not say %q:\n%s", want, p.output())
	}
	agent := start(t, "agent", "--data-dir", dir, "--driver", "process")
	eventually(t, "the page shows the machine", func() bool {
		page, _ := get(p.api + "/")
		return strings.Contains(page, "<td>process")
	})
	agent.interrupt()
	p.interrupt()
	p = start(t, args...)
	eventually(t, "it has said everything", func() bool { return strings.Contains(p.output(), "AWS_SECRET_ACCESS_KEY") })
	p.interrupt()
	if strings.Contains(p.output(), "to give it a machine") {
		t.Errorf("it knows a machine, and asks for one:\n%s", p.output())
	}
}

// TestForeignHost refuses requests that reach the API under another name.
func TestForeignHost(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	for header, value := range map[string]string{"Host": "evil.example", "Origin": "http://evil.example"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.api, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, value)
		req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters")
		if header == "Host" {
			req.Host = value
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s is answered with %s", header, value, answer.Status)
		}
	}
}

// TestPrivateState: what is in the data directory is this user's alone.
func TestPrivateState(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(stateDir(t), "state")
	up(t, dir)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
