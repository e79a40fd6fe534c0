//go:build linux

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
)

// agent is another program that starts a container and then waits to be killed.
func agent(dir string) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	w := &world{self: self, cfg: process.Config{Dir: dir, Keeper: []string{self, "keeper"}}}
	d, err := process.New(context.Background(), w.cfg)
	if err != nil {
		panic(err)
	}
	s, err := d.Start(context.Background(), w.spec("a", "trap", "terminated", "7"))
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, s.RuntimeID)
	_, _ = io.ReadAll(os.Stdin)
}

func (w *world) spec(id string, words ...string) driver.Spec {
	return driver.Spec{ID: id, Definition: w.harness().Container(words...), Env: []string{"ID=" + id}}
}

// start starts a container and returns its pid.
func (w *world) start(t *testing.T, d *process.Driver, id string, words ...string) int {
	t.Helper()
	s, err := d.Start(t.Context(), w.spec(id, words...))
	if err != nil {
		t.Fatalf("Start(%s) = %v", id, err)
	}
	pid, err := strconv.Atoi(s.RuntimeID)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// awaitEnd waits by the watch for a container's end.
func awaitEnd(t *testing.T, d *process.Driver, id string) driver.Status {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var end driver.Status
	err := d.Watch(ctx, func(s driver.Status) {
		if s.ID == id && s.State == driver.Exited {
			end = s
			cancel()
		}
	})
	if end.ID == "" {
		t.Fatalf("the end of %s was not seen: %v", id, err)
	}
	return end
}

func logOf(t *testing.T, d *process.Driver, id string) string {
	t.Helper()
	text, err := driver.Text(d.Logs(t.Context(), id, driver.LogOptions{}))
	if err != nil {
		t.Fatalf("Logs(%s) = %v", id, err)
	}
	return text
}

func awaitLog(t *testing.T, d *process.Driver, id, want string) {
	t.Helper()
	until(t, want+" in the log of "+id, func() string {
		if text := logOf(t, d, id); !strings.Contains(text, want) {
			return "not in " + text
		}
		return ""
	})
}

func send(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("kill(%d, %v) = %v", pid, s, err)
	}
}

func exitCode(s driver.Status) string {
	if s.ExitCode == nil {
		return "none"
	}
	return strconv.Itoa(*s.ExitCode)
}

// TestAgentKilled kills the program that started a container, has the container end while nobody is connected, and
// then asks for its exit code.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cmd := exec.Command(w.self, "agent", w.cfg.Dir)
	in, _ := cmd.StdinPipe()
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	send(t, cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
	until(t, "the program to be ready", func() string {
		if text, _ := os.ReadFile(keeper.NewestLog(w.cfg.Dir, "a")); len(text) == 0 {
			return "no log"
		}
		return ""
	})
	send(t, pid, syscall.SIGTERM)
	until(t, "the program to end", func() string { return alive(pid) })
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	end := awaitEnd(t, d, "a")
	if exitCode(end) != "7" || end.RuntimeID != strconv.Itoa(pid) {
		t.Errorf("after the agent's death the container is %+v, want exit code 7 of pid %d", end, pid)
	}
}

// TestKeeperKilled kills the keeper itself.
func TestKeeperKilled(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--no-cgroups"}} {
		t.Run(strings.Join(flags, ""), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, flags...)
			d := w.connect(t)
			defer func() { _ = d.Close() }()
			pid := w.start(t, d, "lives", "trap", "terminated", "7")
			awaitLog(t, d, "lives", "ready")
			w.start(t, d, "ended", "print", "hello")
			awaitEnd(t, d, "ended")
			dies := w.start(t, d, "dies", "sleep")
			before := d.KeeperPID()
			send(t, before, syscall.SIGKILL)
			send(t, dies, syscall.SIGKILL)
			until(t, "the keeper to end", func() string { return alive(before) })
			until(t, "the container to end", func() string { return alive(dies) })
			adopted(t, d, before, pid)
			_, env, err := driver.Output(t.Context(), d, "lives", w.harness().Command("env"))
			if want := "ID=lives\n"; err != nil || string(env) != want {
				t.Errorf("a command in an adopted container has the environment %q, %v, want %q", env, err, want)
			}
			journal, err := os.ReadFile(filepath.Join(w.cfg.Dir, "journal"))
			if err != nil || strings.Contains(string(journal), "ID=") {
				t.Errorf("the journal is %s, %v, want no environment in it", journal, err)
			}
			if err := d.Signal(t.Context(), "lives", ""); err != nil {
				t.Fatalf("Signal = %v", err)
			}
			end := awaitEnd(t, d, "lives")
			if exitCode(end) != "none" || !strings.HasPrefix(end.Reason, "ContainerVanishedError: ") {
				t.Errorf("the end of an adopted container is %+v, want no code and the reason", end)
			}
			if text := logOf(t, d, "lives"); text != "ready\nterminated\n" {
				t.Errorf("its log is %q, want what it wrote before and after", text)
			}
			for _, id := range []string{"lives", "ended", "dies"} {
				if err := d.Remove(t.Context(), id); err != nil {
					t.Errorf("Remove(%s) = %v", id, err)
				}
			}
			w.leaks(t)
		})
	}
}

// adopted checks what a new keeper knows.
func adopted(t *testing.T, d *process.Driver, before, pid int) {
	t.Helper()
	all, err := d.List(t.Context())
	if err != nil {
		t.Fatalf("List after the keeper's death = %v", err)
	}
	var got []string
	for _, s := range all {
		reason, _, _ := strings.Cut(s.Reason, ":")
		got = append(got, fmt.Sprint(s.ID, " ", s.State, " ", exitCode(s), " ", reason))
	}
	want := []string{
		"dies exited none ContainerVanishedError", "ended exited 0 ", "lives running none ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the new keeper knows %q, want %q", got, want)
	}
	if all[len(all)-1].RuntimeID != strconv.Itoa(pid) || d.KeeperPID() == before {
		t.Errorf("the container is %+v under keeper %d, want pid %d under another than %d",
			all[len(all)-1], d.KeeperPID(), pid, before)
	}
	if text := logOf(t, d, "ended"); text != "hello\n" {
		t.Errorf("the log of an ended container is %q, want hello", text)
	}
	s, err := d.Start(t.Context(), driver.Spec{ID: "ended"})
	if err != nil || s.State != driver.Exited {
		t.Errorf("Start of an id that has ended = %+v, %v, want its end", s, err)
	}
}

func TestSignalsDoNotEndTheKeeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	w.start(t, d, "a", "sleep")
	pid := d.KeeperPID()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		send(t, pid, s)
	}
	if err := d.StopKeeper(t.Context()); err == nil || !strings.Contains(err.Error(), "1 containers run") {
		t.Errorf("StopKeeper while a container runs = %v, want an error", err)
	}
	if _, err := d.List(t.Context()); err != nil || d.KeeperPID() != pid || alive(pid) == "" {
		t.Errorf("after the signals List = %v of keeper %d, want %d alive", err, d.KeeperPID(), pid)
	}
	if err := d.Kill(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, d, "a")
	send(t, pid, syscall.SIGTERM)
	until(t, "an idle keeper to end by SIGTERM", func() string { return alive(pid) })
}

// TestOutOfDescriptors has the keeper run out of file descriptors while somebody connects: it answers when it has some
// again.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	pid := d.KeeperPID()
	var before unix.Rlimit
	limit := func(l, old *unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, l, old); err != nil {
			t.Fatalf("limit the keeper's descriptors: %v", err)
		}
	}
	limit(nil, &before)
	limit(&unix.Rlimit{Cur: 3, Max: before.Max}, nil) // the soft limit alone, so that all may raise it again
	conn, err := net.Dial("unix", shortSocket(t, w.cfg.Dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	until(t, "the keeper to run out of descriptors", func() string {
		log, err := os.ReadFile(filepath.Join(w.cfg.Dir, "keeper.log"))
		if err != nil || !strings.Contains(string(log), "cannot accept connections") {
			return fmt.Sprintf("its log is %q, %v", log, err)
		}
		return ""
	})
	limit(&before, nil)
	next := w.connect(t)
	defer func() { _ = next.Close() }()
	if next.KeeperPID() != pid {
		t.Errorf("got keeper %d, want %d", next.KeeperPID(), pid)
	}
}

// TestOneKeeper has several programs' drivers begin at once, where a killed keeper left its socket.
func TestOneKeeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.MkdirAll(w.cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: shortSocket(t, w.cfg.Dir), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	var all sync.WaitGroup
	drivers := make([]*process.Driver, 8)
	errs := make([]error, len(drivers))
	for i := range drivers {
		all.Go(func() { drivers[i], errs[i] = process.New(t.Context(), w.cfg) })
	}
	all.Wait()
	for i, d := range drivers {
		if errs[i] != nil {
			t.Fatalf("New = %v", errs[i])
		}
		t.Cleanup(func() { _ = d.Close() })
		if d.KeeperPID() != drivers[0].KeeperPID() {
			t.Errorf("keepers %d and %d, want one", d.KeeperPID(), drivers[0].KeeperPID())
		}
	}
}

// shortSocket names the socket by a path that fits into an address.
func shortSocket(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return fmt.Sprintf("/proc/self/fd/%d/keeper.sock", f.Fd())
}

// TestMalformed sends what is no frame, half of one, and unknown operations.
func TestMalformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	pid := d.KeeperPID()
	for _, bytes := range []string{
		"GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x02{]", "\xff\xff\xff\xff", "\x00\x00\x00\x10{", "\x00\x00\x00\x00",
		"\x00\x00\x00\x04null", "\x00\x00\x00\x0e{\"op\":\"start\"}", "\x00\x00\x00\x0d{\"op\":\"exec\"}",
		"\x00\x00\x00\x0d{\"op\":\"none\"}",
	} {
		conn, err := net.Dial("unix", shortSocket(t, w.cfg.Dir))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, bytes)
		_ = conn.(*net.UnixConn).CloseWrite()
		_, _ = io.ReadAll(conn)
		_ = conn.Close()
	}
	w.start(t, d, "a", "exit", "3")
	if end := awaitEnd(t, d, "a"); exitCode(end) != "3" || d.KeeperPID() != pid {
		t.Errorf("after malformed frames: %+v under keeper %d, want exit code 3 under %d", end, d.KeeperPID(), pid)
	}
}

// TestLogsAreBounded has a program write more than is kept.
func TestLogsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--log-size", "10000", "--log-files", "3")
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	w.start(t, d, "a", "flood", "1050")
	awaitEnd(t, d, "a")
	// A line of 100 bytes takes 131 with its time.
	if text := logOf(t, d, "a"); len(text) < 15_000 || len(text) > 23_000 || strings.Trim(text, "x\n") != "" {
		t.Errorf("%d bytes are kept of 105000, want those of two full files and the newest", len(text))
	}
	files, err := os.ReadDir(filepath.Join(w.cfg.Dir, "logs"))
	if err != nil || len(files) != 3 {
		t.Errorf("log files: %v, %v, want 3", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Size() > 10_000 {
			t.Errorf("%s: %d bytes, %v, want at most 10000", f.Name(), info.Size(), err)
		}
	}
}

// TestJournalLost: what a lost journal told of is killed, as nobody knows it any more.
func TestJournalLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	pid := w.start(t, d, "a", "sleep")
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	w.killKeeper(t)
	if err := os.Remove(filepath.Join(w.cfg.Dir, "journal")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(cgroup), "maitred-") {
		send(t, pid, syscall.SIGKILL) // without cgroups, nobody can know whose process that is
	}
	next := w.connect(t)
	defer func() { _ = next.Close() }()
	until(t, "what the journal told of to end", func() string { return alive(pid) })
	if all, err := next.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("List = %v, %v; want nothing", all, err)
	}
	w.start(t, next, "a", "exit", "3")
	if end := awaitEnd(t, next, "a"); exitCode(end) != "3" {
		t.Errorf("after that: %+v, want exit code 3", end)
	}
}

// TestJournalOfAnotherTime begins where an earlier keeper left containers that cannot be adopted.
func TestJournalOfAnotherTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.MkdirAll(w.cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	now, self := strings.TrimSpace(string(boot)), os.Getpid()
	journal := fmt.Sprintf(`{"id":"cut short","boot":%q,"spec":{"id":"cut short","argv":["/absent"],"dir":"/"}}
{"id":"other boot","boot":"x","pid":%d,"ticks":1,"status":{"ID":"other boot","State":"running","StartedAt":"2026-01-01T00:00:00Z"}}
{"id":"other process","boot":%q,"pid":%d,"ticks":1,"status":{"ID":"other process","State":"running","StartedAt":"2026-01-01T00:00:00Z"}}
{"id":"recorded","boot":"x","pid":%d,"ticks":1,"status":{"ID":"recorded","State":"exited","ExitCode":5}}
`, now, self, now, self, self)
	if err := os.WriteFile(filepath.Join(w.cfg.Dir, "journal"), []byte(journal), 0o600); err != nil {
		t.Fatal(err)
	}
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	all, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"cut short":     "none ContainerVanishedError: the keeper was killed while it started the container",
		"other boot":    "none ContainerVanishedError: the machine was restarted",
		"other process": "none ContainerVanishedError: the keeper was restarted while the container ran, so its exit code is not known",
		"recorded":      "5 ",
	}
	for _, s := range all {
		if got := exitCode(s) + " " + s.Reason; s.State != driver.Exited || got != want[s.ID] {
			t.Errorf("%s is %s with %q, want exited with %q", s.ID, s.State, got, want[s.ID])
		}
		if err := d.Remove(t.Context(), s.ID); err != nil {
			t.Errorf("Remove(%s) = %v", s.ID, err)
		}
	}
	if len(all) != len(want) {
		t.Errorf("%d containers are known, want %d", len(all), len(want))
	}
	w.leaks(t)
}

// TestLogIsFollowed reads a log while it is written, across the death of the keeper, until the container ends.
func TestLogIsFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	def := model.ContainerDefinition{Command: []string{"sh", "-c", "echo one; read a; echo two; read b; printf three"}}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	def.Command[2] = "exec <" + pipe + "; " + def.Command[2]
	began := time.Now()
	opened := make(chan *os.File, 1)
	go func() {
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
		}
		opened <- f
	}()
	if _, err := d.Start(t.Context(), driver.Spec{ID: "a", Definition: def, Env: []string{"PATH=/bin:/usr/bin"}}); err != nil {
		t.Fatal(err)
	}
	in := <-opened
	defer func() { _ = in.Close() }()
	var got []string
	last := began
	for line, err := range d.Logs(t.Context(), "a", driver.LogOptions{Since: began, Follow: true}) {
		if err != nil {
			t.Fatalf("following broke: %v", err)
		}
		got = append(got, string(line.Text))
		if !line.At.After(last) {
			t.Errorf("line %q is of %v, and the one before of %v", line.Text, line.At, last)
		}
		last = line.At
		if len(got) == 1 {
			w.killKeeper(t)
		}
		if len(got) == 3 {
			continue
		}
		if _, err := in.WriteString("go on\n"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for line := range d.Logs(t.Context(), "a", driver.LogOptions{Since: last}) {
		if string(line.Text) != "three" {
			t.Errorf("since the last line there is %q, want the last line alone", line.Text)
		}
	}
}

// TestFollowingIsCancelled ends a follower of a container that writes nothing.
func TestFollowingIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	w.start(t, d, "a", "stubborn")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended error
	for line, err := range d.Logs(ctx, "a", driver.LogOptions{Follow: true}) {
		ended = err
		if string(line.Text) == "ready" {
			cancel()
		}
	}
	if !errors.Is(ended, context.Canceled) {
		t.Errorf("a follower whose context ended = %v, want context.Canceled", ended)
	}
}
