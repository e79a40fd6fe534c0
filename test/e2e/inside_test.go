package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestSecretVerbs is the contract of `maitred secret`.
func TestSecretVerbs(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte(canary+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		stdin string
		args  []string
		code  int
		out   string // substring; "" for no word
	}{
		{args: []string{"secret", "set"}, code: 2, out: "takes one name"},
		{args: []string{"secret", "set", "a", "value"}, code: 2, out: "takes one name"},
		{args: []string{"secret", "rm"}, code: 2, out: "takes one name"},
		{args: []string{"secret", "list", "a"}, code: 2, out: `"a"`},
		{args: []string{"secret", "list"}, out: "NAME"},
		{args: []string{"secret", "set", "from/stdin"}, stdin: canary},
		{args: []string{"secret", "set", "from/file", "--from-file", file}},
		{args: []string{"secret", "set", "a", "--from-file", file + ".absent"}, code: 1, out: "no such file"},
		{args: []string{"secret", "set", "two words"}, stdin: canary, code: 1, out: "two words"},
		{args: []string{"secret", "set", "far", "--region", "eu-west-1"}, stdin: canary},
		{args: []string{"secret", "list"}, out: "from/file "},
		{args: []string{"secret", "list", "--json"}, out: `"from/stdin"`},
		{args: []string{"secret", "list", "--region", "eu-west-1"}, out: "far "},
		{args: []string{"secret", "rekey"}, out: "3 secrets are sealed with a new key."},
		{args: []string{"secret", "rm", "from/file"}},
		{args: []string{"secret", "rm", "from/file"}, code: 1, out: "from/file"},
	} {
		// The flag --endpoint follows the verb's own words.
		args := slices.Concat(step.args, []string{"--endpoint", p.api})
		cmd := exec.Command(binary(), args...)
		cmd.Env, cmd.Stdin = environment(), strings.NewReader(step.stdin)
		text, _ := cmd.CombinedOutput()
		out, code := string(text), cmd.ProcessState.ExitCode()
		if code != step.code || !strings.Contains(out, step.out) || step.out == "" && out != "" || strings.Contains(out, canary) {
			t.Errorf("maitred %s = %d %q, want %d, %q and not the value", strings.Join(step.args, " "), code, out, step.code, step.out)
		}
	}
	if code, _, stderr := run(t, nil, "secret", "sing"); code != 2 || !strings.Contains(stderr, `"sing"`) {
		t.Errorf("maitred secret sing = %d %q, want that there is no such word", code, stderr)
	}
	if code, _, stderr := run(t, nil, "secret", "list", "--endpoint", "http://127.0.0.1:1"); code != 1 || !strings.Contains(stderr, "is it running?") {
		t.Errorf("maitred secret list without a server = %d %q", code, stderr)
	}
}

// TestExecVerb is the contract of `maitred exec` on the drivers that need no daemon.
func TestExecVerb(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"process", "oci"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			image, program := filepath.Join(built.dir, "guest"), filepath.Join(built.dir, "guest")
			if driver == "oci" {
				testneeds.Root(t)
				testneeds.Command(t, "runc")
				image, program = guestImage(t), "/guest"
			}
			lookIn(t, driver, image, program)
		})
	}
}

// lookIn runs commands in a task of two containers.
func lookIn(t *testing.T, driver, image, program string) {
	t.Helper()
	p := start(t, "up", "--data-dir", stateDir(t), "--listen", "127.0.0.1:0", "--driver", driver)
	c := newCLI(t, p.api)
	container := func(name string) string {
		return `{"name":"` + name + `","image":"` + image + `","command":["told"],"cpu":16,"memory":32,"environment":[{"name":"NAME","value":"` + name + `"}]}`
	}
	c.ecs("register-task-definition", "--family", "pair", "--container-definitions", "["+container("left")+","+container("right")+"]")
	c.ecs("create-service", "--service-name", "pair", "--task-definition", "pair", "--desired-count", "1")
	c.ecs("wait", "services-stable", "--services", "pair")
	task := c.ecs("list-tasks", "--service-name", "pair", "--query", "taskArns[0]", "--output", "text")
	id := task[strings.LastIndexByte(task, '/')+1:]
	for _, step := range []struct {
		stdin string
		args  []string
		code  int
		out   string // substring
	}{
		{args: []string{task, "-c", "left", "--", program, "variable", "NAME"}, out: "left\n"},
		{args: []string{id, "-c", "right", "--", program, "variable", "NAME"}, out: "right\n"},
		{args: []string{id[:8], "-c", "right", "--", program, "exit", "42"}, code: 42},
		{args: []string{"pair", "-c", "right", "--", program, "say", "-c", "left"}, out: "-c left\n"},
		{args: []string{"pair", "-c", "left", "--", program, "say", "hi"}, out: "task " + id + " of service pair, container left"},
		{args: []string{id, "-c", "left", "-i", "--", program, "ask"}, stdin: "this\n", out: "you said this\n"},
		{args: []string{id, "-c", "left", "--", program, "ask"}, stdin: "this\n", out: "you said \n"},
		{args: []string{id, "--", program, "say"}, code: 1, out: "left, right"},
		{args: []string{id, "-c", "middle", "--", program, "say"}, code: 1, out: "left, right"},
		{args: []string{"pear", "--", program, "say"}, code: 1, out: "pair"},
		{args: []string{id, "-c", "left", "--", "/absent"}, code: 1, out: "absent"},
		{args: []string{id, "-c", "left"}, code: 2, out: "maitred exec TASK -- COMMAND"},
		{args: []string{"--", program, "say"}, code: 2, out: "maitred exec TASK -- COMMAND"},
		{args: []string{id, "-it", "-c", "left", "--", program, "say"}, code: 2, out: "not a terminal"},
	} {
		out, code := verb(t, p, step.stdin, append([]string{"exec"}, step.args...)...)
		if code != step.code || !strings.Contains(out, step.out) {
			t.Errorf("maitred exec %s = %d %q, want %d and %q", strings.Join(step.args, " "), code, out, step.code, step.out)
		}
	}
	onTerminal(t, p, id, program)
}

// onTerminal runs a command on a terminal: it has the size of that of maitred, and follows it; what is typed arrives, and
// Ctrl-C ends the command and not maitred.
func onTerminal(t *testing.T, p *process, id, program string) {
	t.Helper()
	cmd := exec.Command(binary(), "exec", "--endpoint", p.api, "-it", id, "-c", "left", "--", program, "sizes")
	cmd.Env = environment()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 101})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, if all is well
		_ = terminal.Close()
	})
	lines := bufio.NewScanner(terminal)
	want := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.TrimSpace(strings.TrimPrefix(lines.Text(), "^C")) == want { // the terminal echoes what is typed
				return
			}
		}
		t.Fatalf("the command on a terminal ended without %q: %v", want, lines.Err())
	}
	want("101x33")
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 20, Cols: 70}); err != nil {
		t.Fatal(err)
	}
	want("70x20")
	if _, err := terminal.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	want("interrupted")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		t.Errorf("maitred exec -it = %d, want the command's 9", code)
	}
}
