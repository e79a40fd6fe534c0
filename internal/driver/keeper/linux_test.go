//go:build linux

package keeper

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
)

const stat = "42 (a (b) c) S 7 42 41 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 12345 999 5 18446744073709551615 1 1"

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat([]byte(stat))
	want := proc{
		pid: 42, ppid: 7, session: 41, state: 'S', ticks: 12345, cpu: time.Second, rss: 5 * int64(os.Getpagesize()),
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(proc{})); diff != "" || err != nil {
		t.Errorf("parseStat, %v (-want +got):\n%s", err, diff)
	}
	self, err := readProc(os.Getpid())
	if err != nil || self.pid != os.Getpid() || self.ppid != os.Getppid() || self.rss == 0 || self.ticks == 0 {
		t.Errorf("readProc of this process = %+v, %v", self, err)
	}
	for _, bad := range []string{"", "1", "1 (x", "1 (x) S 2", strings.Replace(stat, "12345", "x", 1)} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = nil, want an error", bad)
		}
	}
}

// FuzzStat looks for contents that make the parser panic: processes choose their own names.
func FuzzStat(f *testing.F) {
	f.Add([]byte(stat))
	f.Add([]byte(") ("))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseStat(data)
		if err != nil && p != (proc{}) {
			t.Fatalf("parseStat = %+v with an error", p)
		}
	})
}

func TestWithDescendants(t *testing.T) {
	t.Parallel()
	procs := []proc{
		{pid: 5, ppid: 4},
		{pid: 4, ppid: 3},
		{pid: 3, ppid: 1},
		{pid: 9, ppid: 1},
		{pid: 6, ppid: 3, state: 'Z'},
		{pid: 7, ppid: 6},
		{pid: 8, ppid: 8},
	}
	var got []int
	for _, p := range withDescendants(procs, func(p proc) bool { return p.pid == 3 }) {
		got = append(got, p.pid)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]int{3, 4, 5, 7}, got); diff != "" {
		t.Errorf("descendants of 3 (-want +got):\n%s", diff)
	}
}

// TestOrphaned decides about processes that do not exist, so that only sessions and start times speak.
func TestOrphaned(t *testing.T) {
	t.Parallel()
	newContainer := func(state driver.State, ticks uint64) *container {
		c := &container{ticks: ticks, ended: state == driver.Exited}
		c.status.State, c.spec.Env = state, []string{"A=1"}
		return c
	}
	live, over := newContainer(driver.Running, 100), newContainer(driver.Exited, 50)
	k := &keeper{
		containers: map[string]*container{"live": live, "over": over},
		sessions:   map[int]*container{10: live, 20: over},
	}
	const absent = 1 << 30
	for name, c := range map[string]struct {
		p    proc
		want bool
	}{
		"in the session of a running one":    {proc{pid: absent, session: 10, ticks: 200}, false},
		"in the session of an ended one":     {proc{pid: absent, session: 20, ticks: 200}, true},
		"older than the only running one":    {proc{pid: absent, session: 30, ticks: 99}, true},
		"perhaps of the running one":         {proc{pid: absent, session: 30, ticks: 101}, false},
		"at the start of the running one":    {proc{pid: absent, session: 30, ticks: 100}, false},
		"of a session that nobody has known": {proc{pid: absent, session: 0, ticks: 60}, true},
	} {
		if got := k.orphaned(c.p); got != c.want {
			t.Errorf("%s: orphaned = %v, want %v", name, got, c.want)
		}
	}
	k.containers["new"] = newContainer(driver.Starting, 0)
	if k.orphaned(proc{pid: absent, session: 30, ticks: 60}) || !k.deferred {
		t.Error("while a container starts: orphaned = true, or the decision is not put off")
	}
	delete(k.containers, "new")
	// By its environment, a process of this test's own kind is known although another container runs.
	over.spec.Env, over.ticks = os.Environ(), 0
	if self, err := readProc(os.Getpid()); err != nil || !k.orphaned(proc{pid: self.pid, ticks: self.ticks, session: 30}) {
		t.Errorf("with an ended container's environment: orphaned = false, %v, want true", err)
	}
	live.spec.Env, live.ticks = os.Environ(), 0
	if self, err := readProc(os.Getpid()); err != nil || k.orphaned(proc{pid: self.pid, ticks: self.ticks, session: 30}) {
		t.Errorf("with the environment of two containers: orphaned = true, %v, want false", err)
	}
}

func TestOwnCgroup(t *testing.T) {
	t.Parallel()
	const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	const hybrid = "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	const part = "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	for _, c := range [][3]string{
		{v2, "0::/user.slice/a.scope\n", "/sys/fs/cgroup/user.slice/a.scope"},
		{hybrid, "9:cpu:/x\n0::/\n", "/sys/fs/cgroup/unified"},
		{part, "0::/docker/x/y\n", "/sys/fs/cgroup/y"},
		{part, "0::/elsewhere\n", ""},
		{v2, "0::/../sibling\n", ""},
		{v2, "9:cpu:/x\n", ""},
		{"", "0::/\n", ""},
	} {
		if got := ownCgroup(c[0], c[1]); got != c[2] {
			t.Errorf("ownCgroup(%q, %q) = %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func TestSignalNumber(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]syscall.Signal{
		"": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "int": syscall.SIGINT, "9": syscall.SIGKILL, "SIGQUIT": syscall.SIGQUIT,
	} {
		if got, err := signalNumber(name); got != want || err != nil {
			t.Errorf("signalNumber(%q) = %v, %v, want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"SIG", "0", "65", "-9", "NONSENSE", "SIGSIGINT"} {
		if got, err := signalNumber(name); err == nil {
			t.Errorf("signalNumber(%q) = %v, want an error", name, got)
		}
	}
}

func TestLookPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"bin/run": 0o755, "other/run": 0o644, "other/plain": 0o644} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range [][3]string{
		{"run", dir + "/other:" + dir + "/bin", dir + "/bin/run"}, // what cannot be executed is passed over
		{"run", "other:bin", dir + "/bin/run"},
		{"./x", "", "./x"},
		{"plain", dir + "/other", "!permission denied"},
		{"absent", dir + "/other", "!not found in PATH"},
	} {
		got, err := lookPath(c[0], dir, c[1])
		want, fails := strings.CutPrefix(c[2], "!")
		if fails && (err == nil || !strings.Contains(err.Error(), want)) || !fails && got != want {
			t.Errorf("lookPath(%q in %q) = %q, %v, want %s", c[0], c[1], got, err, c[2])
		}
	}
	if got := pathOf([]string{"A=1", "PATH=/x", "PATH=/y"}); got != "/x" {
		t.Errorf("pathOf = %q, want the first one", got)
	}
	if got := pathOf(nil); got != defaultPath {
		t.Errorf("pathOf without one = %q, want the default", got)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	got := variables([]string{"A=1", "worker process", "=x", "B=", ""})
	if diff := cmp.Diff([]string{"A=1", "B="}, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}
