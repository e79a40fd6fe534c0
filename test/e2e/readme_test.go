package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestReadme types what the README shows of the first service, to the letter: nothing of it may fail, be the tasks
// processes or containers.
func TestReadme(t *testing.T) {
	t.Parallel()
	t.Run("process", func(t *testing.T) {
		t.Parallel()
		typeReadme(t, "process")
	})
	t.Run("oci", func(t *testing.T) {
		t.Parallel()
		testneeds.Root(t)
		testneeds.Command(t, "runc")
		typeReadme(t, "oci")
	})
}

// TestReadmeContainers types what the README shows of containers, on both drivers that run them.
func TestReadmeContainers(t *testing.T) {
	testneeds.Root(t)
	for _, driver := range []string{"oci", "docker"} {
		t.Run(driver, func(t *testing.T) {
			bash := testneeds.Command(t, "bash")
			for _, need := range []string{"aws", "curl"} {
				testneeds.Command(t, need)
			}
			if driver == "docker" {
				t.Setenv("DOCKER_HOST", testneeds.Docker(t))
			} else {
				testneeds.Command(t, "runc")
			}
			commands := transcript(t, "../../README.md", "Containers")
			p := up(t, stateDir(t), "--example", "web", "--driver", driver)
			cmd := exec.Command(bash, "-euxo", "pipefail", "-c", commands)
			cmd.Dir, cmd.Env = likeRepository(t), append(environment(), "MAITRED_LISTEN="+strings.TrimPrefix(p.api, "http://"))
			cmd.Env = append(cmd.Env, newCLI(t, p.api).env...)
			cmd.Env = append(cmd.Env, "MAITRED_ENDPOINT="+p.api)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v, after:\n%s\nmaitred said:\n%s", err, out, p.output())
			}
			for _, line := range []string{"task-definition/shop:1\"\n", "hello from process 1, version 1\n", "\nhealthy\n", "listening", "\n2\n", "DRAINING"} {
				if !strings.Contains(string(out), line) {
					t.Errorf("it does not answer %q:\n%s", line, out)
				}
			}
			p.interrupt()
		})
	}
}

// TestReadmeBalancers types what the README shows of load balancers: no request is lost by a deployment, and at most what it
// had in hand by a task that is killed.
func TestReadmeBalancers(t *testing.T) {
	t.Parallel()
	bash := testneeds.Command(t, "bash")
	for _, need := range []string{"aws", "curl"} {
		testneeds.Command(t, need)
	}
	commands := transcript(t, "../../README.md", "Load balancers")
	p := up(t, stateDir(t), "--example", "web", "--driver", "process")
	cmd := exec.Command(bash, "-euxo", "pipefail", "-c", commands)
	cmd.Dir, cmd.Env = likeRepository(t), append(environment(), newCLI(t, p.api).env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v, after:\n%s\nmaitred said:\n%s", err, out, p.output())
	}
	for _, line := range []string{"hello from process", "\n\"1\"\n", "healthy\thealthy\n", "DRAINING"} {
		if !strings.Contains(string(out), line) {
			t.Errorf("it does not answer %q:\n%s", line, out)
		}
	}
	answers, err := os.ReadFile(filepath.Join(cmd.Dir, "answers"))
	if err != nil {
		t.Fatal(err)
	}
	lost, good := strings.Count(string(answers), "LOST"), strings.Count(string(answers), "hello")
	if lost > 1 || good < 999 { // the loop has one request in hand at a time
		t.Errorf("%d requests were lost, %d answered", lost, good)
	}
	p.interrupt()
}

// likeRepository is a directory with what the README's commands find in the repository after make build.
func likeRepository(t *testing.T) string {
	t.Helper()
	here := t.TempDir()
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"bin": built.dir, "examples": examples} {
		if err := os.Symlink(target, filepath.Join(here, name)); err != nil {
			t.Fatal(err)
		}
	}
	return here
}

func typeReadme(t *testing.T, driver string) {
	t.Helper()
	bash := testneeds.Command(t, "bash")
	testneeds.Command(t, "aws")
	commands := transcript(t, "../../README.md", "The first service")
	for _, verb := range []string{"create-service", "run-task", "maitred why", "delete-service"} {
		if !strings.Contains(commands, verb) {
			t.Errorf("the transcript does not show %s:\n%s", verb, commands)
		}
	}
	p := up(t, stateDir(t), "--example", "web", "--driver", driver)
	cmd := exec.Command(bash, "-euxo", "pipefail", "-c", commands)
	cmd.Dir, cmd.Env = likeRepository(t), append(environment(), "MAITRED_LISTEN="+strings.TrimPrefix(p.api, "http://"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v, after:\n%s", err, out)
	}
	defer p.interrupt() // so that networks of containers go
	for _, line := range []string{"exited with code 137", "task-definition/worker:2\"\n", "\n3\n", "\n\"DRAINING\"\n"} {
		if !strings.Contains(string(out), line) {
			t.Errorf("it does not answer %q:\n%s", line, out)
		}
	}
}

// transcript is the commands of a section's fenced blocks: what stands behind "$ ", with the lines that a backslash
// continues it by.
func transcript(t *testing.T, file, section string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("%s has no section %q", file, section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var commands strings.Builder
	fenced, continued := false, false
	for line := range strings.Lines(rest) {
		command, begins := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced, continued = !fenced, false
		case fenced && (begins || continued):
			commands.WriteString(command)
			continued = strings.HasSuffix(line, "\\\n")
		}
	}
	return commands.String()
}
