package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
)

// TestTop is the contract of `maitred top`: once for scripts, and live on a terminal.
func TestTop(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t), "--example", "web")
	eventually(t, "the example runs", func() bool { return strings.Contains(p.output(), "Ctrl-C") })
	for _, c := range []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{args: []string{"top"}, stdout: "3/3"}, // nobody looks
		{args: []string{"top", "--once"}, stdout: "SERVICE"},
		{args: []string{"top", "--json"}, stdout: `"name": "web"`},
		{args: []string{"top", "--once", "--service", "web"}, stdout: "RUNNING"},
		{args: []string{"top", "--once", "--machines"}, stdout: "connected"},
		{args: []string{"top", "--service", "nosuch"}, code: 1, stderr: `there is no service "nosuch"; the services are: default/web`},
		{args: []string{"top", "now"}, code: 2, stderr: `"now"`},
	} {
		code, stdout, stderr := run(t, nil, append(c.args, "--endpoint", p.api)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%v = %d\nstdout: %s\nstderr: %s", c.args, code, stdout, stderr)
		}
	}
	watch(t, p.api)
}

// screen is what a program wrote to its terminal.
type screen struct {
	sync.Mutex
	bytes.Buffer
}

func (s *screen) Write(part []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	return s.Buffer.Write(part)
}

func (s *screen) has(text string) bool {
	s.Lock()
	defer s.Unlock()
	return strings.Contains(s.String(), text)
}

// watch looks at the services, at the tasks of one and at the machines, and ends it.
func watch(t *testing.T, api string) {
	t.Helper()
	cmd := exec.Command(binary(), "top", "--endpoint", api)
	cmd.Env = append(environment(), "TERM=xterm")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 12, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	var shown screen
	read := make(chan struct{})
	go func() {
		defer close(read)
		part := make([]byte, 4096)
		for {
			n, err := terminal.Read(part) // EIO at the end
			_, _ = shown.Write(part[:n])
			if err != nil {
				return
			}
		}
	}()
	for _, step := range []struct{ keys, want string }{
		{"", "1 services, 3 of 3 tasks run"}, {"\r", "service default/web"}, {"m", "1 machines"}, {"q", "\x1b[?1049l"},
	} {
		if _, err := terminal.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
		eventually(t, "after "+step.keys+" it shows "+step.want, func() bool { return shown.has(step.want) })
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	_ = terminal.Close()
	<-read
}
