package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"github.com/gdamore/tcell/v3/vt"
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

// screen is a terminal that a program writes to.
type screen struct {
	sync.Mutex
	bytes.Buffer // all that was written
	emulated     vt.MockTerm
}

func (s *screen) Write(part []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	_, _ = s.emulated.Write(part)
	return s.Buffer.Write(part)
}

// wrote says whether a sequence was among what was written.
func (s *screen) wrote(sequence string) bool {
	s.Lock()
	defer s.Unlock()
	return strings.Contains(s.String(), sequence)
}

// shows says whether a text can be seen now.
func (s *screen) shows(text string) bool {
	s.Lock()
	defer s.Unlock()
	var seen strings.Builder
	for y := range screenRows {
		for x := range screenColumns {
			cell := s.emulated.GetCell(vt.Coord{X: vt.Col(x), Y: vt.Row(y)})
			seen.WriteString(cmp.Or(cell.C, " "))
		}
		seen.WriteByte('\n')
	}
	return strings.Contains(seen.String(), text)
}

const screenRows, screenColumns = 12, 100

// watch looks at the services, at the tasks of one and at the machines, and ends it.
func watch(t *testing.T, api string) {
	t.Helper()
	cmd := exec.Command(binary(), "top", "--endpoint", api)
	cmd.Env = append(environment(), "TERM=xterm")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: screenRows, Cols: screenColumns})
	if err != nil {
		t.Fatal(err)
	}
	shown := screen{emulated: vt.NewMockTerm(vt.MockOptSize{X: screenColumns, Y: screenRows})}
	if err := shown.emulated.Start(); err != nil {
		t.Fatal(err)
	}
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
		{"", "1 services, 3 of 3 tasks run"},
		{"\r", "service default/web"},
		{"m", "1 machines"},
		{"\x1b", "1 services"},
		{"/nosuch", "(none)"},
		{"\x1b", "web"},
	} {
		if _, err := terminal.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("after %q it shows %q", step.keys, step.want), func() bool { return shown.shows(step.want) })
	}
	if _, err := terminal.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "after q the screen is as before", func() bool { return shown.wrote("\x1b[?1049l") })
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	_ = terminal.Close()
	<-read
}
