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
	here := t.TempDir() // as the repository after make build
	if err := os.Symlink(built.dir, filepath.Join(here, "bin")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bash, "-euxo", "pipefail", "-c", commands)
	cmd.Dir, cmd.Env = here, append(environment(), "MAITRED_LISTEN="+strings.TrimPrefix(p.api, "http://"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v, after:\n%s", err, out)
	}
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
