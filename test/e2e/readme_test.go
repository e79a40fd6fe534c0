package e2e

import (
	"context"
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
			commands := transcript(t, "Containers")
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
	commands := transcript(t, "Load balancers")
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

// TestReadmeSleep types what the README shows of a service that sleeps: it has no tasks when nobody asks, and a request gets
// its answer all the same.
func TestReadmeSleep(t *testing.T) {
	t.Parallel()
	out := typed(t, "A service that sleeps")
	for _, line := range []string{"scalable-target/", "\nhello from process ", "\"a request waits for target group web\"", "\"no request and no flow in flight for "} {
		if !strings.Contains(out, line) {
			t.Errorf("it does not answer %q:\n%s", line, out)
		}
	}
}

// TestReadmeScaling types what the README shows of auto scaling, and of what another policy would have done with the same load.
func TestReadmeScaling(t *testing.T) {
	t.Parallel()
	out := typed(t, "Auto scaling", "What if?")
	for _, line := range []string{
		"scalable-target/", "\n2\n", "\n8\n", "\"Successfully set desired count to 8. Change successfully fulfilled by ecs.\"\n",
		"\nACTIVE, ", "policy requests keeps ALBRequestCountPerTarget at 60, looked at each second", "the desired count is scaled from 8 to 4",
		"TODAY", "time above target", "new    cpu: ECSServiceAverageCPUUtilization at 50", "2 to 12",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("it does not answer %q:\n%s", line, out)
		}
	}
}

// typed types sections of the README, one after the other, where the example runs as plain processes, and gives what is
// answered. The first command that fails ends the test.
func typed(t *testing.T, sections ...string) string {
	t.Helper()
	bash := testneeds.Command(t, "bash")
	for _, need := range []string{"aws", "curl", "awk"} {
		testneeds.Command(t, need)
	}
	var commands strings.Builder
	for _, s := range sections {
		commands.WriteString(transcript(t, s))
	}
	p := up(t, stateDir(t), "--example", "web")
	eventually(t, "the example runs", func() bool { return strings.Contains(p.output(), "Ctrl-C") })
	ctx, enough := context.WithTimeout(t.Context(), 4*patience) // a shell's script: many programs, on a busy machine
	defer enough()
	cmd := exec.CommandContext(ctx, bash, "-euxo", "pipefail", "-c", commands.String())
	cmd.Dir, cmd.Env = likeRepository(t), append(environment(), newCLI(t, p.api).env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v, after:\n%s\nmaitred said:\n%s", err, out, p.output())
	}
	p.interrupt()
	return string(out)
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
	commands := transcript(t, "The first service")
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

// transcript is the commands of the fenced blocks of a section of the README: what stands behind "$ ", with the lines that a
// backslash or an open quote continues it by. A section ends with the next heading, so it has none of its parts.
func transcript(t *testing.T, section string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands strings.Builder
	there, fenced, command := false, false, ""
	for line := range strings.Lines(string(text)) {
		switch begin, begins := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case !fenced && strings.HasPrefix(line, "#"):
			there = strings.TrimLeft(line, "# ") == section+"\n"
		case !there || !fenced:
		case command != "":
			command += line
		case begins:
			command = begin
		}
		if command != "" && !strings.HasSuffix(command, "\\\n") && strings.Count(command, "'")%2 == 0 {
			commands.WriteString(command)
			command = ""
		}
	}
	if commands.Len() == 0 {
		t.Fatalf("the README shows no commands in a section %q", section)
	}
	return commands.String()
}
