package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestCopyVerb is the contract of `maitred cp` on all drivers.
func TestCopyVerb(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"process", "oci", "docker"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			switch driver {
			case "oci":
				testneeds.Root(t)
				testneeds.Command(t, "runc")
			case "docker":
				testneeds.Root(t)
				testneeds.Docker(t)
			}
			newPair(t, driver).copyAll()
		})
	}
}

// pair is a task of two containers that share a volume (but as processes), and a directory of this machine.
type pair struct {
	*testing.T
	driver string
	p      *process
	task   string // ARN
	id     string
	room   string // a directory of the containers
	dir    string // of this machine
	secret string // a file of this machine that no container has
}

func newPair(t *testing.T, driver string) *pair {
	t.Helper()
	dir := t.TempDir()
	w := &pair{T: t, driver: driver, dir: filepath.Join(dir, "here"), room: "/tmp", secret: filepath.Join(dir, "secret")}
	image, more := filepath.Join(built.dir, "guest"), `,"workingDirectory":"`+filepath.Join(dir, "room")+`"`
	if driver == "process" {
		w.room = filepath.Join(dir, "room")
	} else {
		image, more = guestImage(t), `,"mountPoints":[{"sourceVolume":"data","containerPath":"/data"}]`
	}
	if err := errors.Join(os.WriteFile(w.secret, []byte("the machine's"), 0o600), os.Mkdir(w.dir, 0o755), os.Mkdir(filepath.Join(dir, "room"), 0o755)); err != nil {
		t.Fatal(err)
	}
	w.p = start(t, "up", "--data-dir", stateDir(t), "--listen", "127.0.0.1:0", "--driver", driver)
	c := newCLI(t, w.p.api)
	container := func(name, more string) string {
		return `{"name":"` + name + `","image":"` + image + `","command":["told"],"cpu":16,"memory":32` + more + `}`
	}
	c.ecs("register-task-definition", "--family", "pair", "--volumes", `[{"name":"data"}]`,
		"--container-definitions", "["+container("left", more)+","+container("right", more+`,"readonlyRootFilesystem":`+map[bool]string{true: "false", false: "true"}[driver == "process"])+"]")
	c.ecs("create-service", "--service-name", "pair", "--task-definition", "pair", "--desired-count", "1")
	c.ecs("wait", "services-stable", "--services", "pair")
	w.task = c.ecs("list-tasks", "--service-name", "pair", "--query", "taskArns[0]", "--output", "text")
	w.id = w.task[strings.LastIndexByte(w.task, '/')+1:]
	t.Cleanup(func() { // with the tasks
		c.aws("ecs", "delete-service", "--service", "pair", "--force")
		c.ecs("wait", "services-inactive", "--services", "pair")
		w.p.interrupt()
	})
	return w
}

// cp runs `maitred cp` in this machine's directory.
func (w *pair) cp(stdin []byte, args ...string) (out []byte, errs string, code int) {
	w.Helper()
	cmd := exec.Command(binary(), append([]string{"cp", "--endpoint", w.p.api}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = environment(), w.dir, bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		w.Fatal(err)
	}
	return stdout.Bytes(), stderr.String(), cmd.ProcessState.ExitCode()
}

// must runs what must go well and without a word.
func (w *pair) must(args ...string) {
	w.Helper()
	if out, errs, code := w.cp(nil, append([]string{"-c", "left"}, args...)...); code != 0 || len(out) > 0 || errs != "" {
		w.Errorf("maitred cp %q = %d %q %q, want 0 and no word", args, code, out, errs)
	}
}

func (w *pair) write(name, text string) {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		w.Fatal(err)
	}
}

// want looks at a file of this machine.
func (w *pair) want(name, text string) {
	w.Helper()
	if got, err := os.ReadFile(filepath.Join(w.dir, name)); err != nil || string(got) != text {
		w.Errorf("%s is %q, %v, want %q", name, got, err, text)
	}
}

func (w *pair) copyAll() {
	in := func(path string) string { return w.id + ":" + w.room + "/" + path }
	w.write("f", "text")
	w.must("f", in("f"))
	w.must(w.task+":"+w.room+"/f", "back")
	w.want("back", "text")
	if _, errs, code := w.cp(nil, "-c", "left", "pair:"+w.room+"/f", "."); code != 0 || !strings.Contains(errs, "task "+w.id+" of service pair, container left") {
		w.Errorf("cp of the service = %d %q, want the task that was chosen", code, errs)
	}
	w.write("tree/a/b", "deep")
	w.write("tree/program", "#!")
	if err := errors.Join(os.Chmod(filepath.Join(w.dir, "tree", "program"), 0o755), os.Symlink(w.secret, filepath.Join(w.dir, "tree", "link"))); err != nil {
		w.Fatal(err)
	}
	w.must("tree", in("new"))
	w.must("tree/.", in("new"))
	w.must("tree", in("new"))
	w.must(in("new"), "got")
	for name, text := range map[string]string{"got/a/b": "deep", "got/program": "#!", "got/tree/a/b": "deep"} {
		w.want(name, text)
	}
	if to, err := os.Readlink(filepath.Join(w.dir, "got", "link")); err != nil || to != w.secret {
		w.Errorf("the link that was copied leads to %q, %v, want %q", to, err, w.secret)
	}
	if info, err := os.Stat(filepath.Join(w.dir, "got", "program")); err != nil || info.Mode() != 0o755 {
		w.Errorf("the program's mode is %v, %v", info.Mode(), err)
	}
	w.large(in)
	w.archives(in)
	w.links(in)
	w.inVolume()
	w.badInput(in)
	w.terminals(in)
}

// large copies what is much larger than what is on its way at a time.
func (w *pair) large(in func(string) string) {
	text := make([]byte, 20<<20)
	_, _ = rand.Read(text)
	w.write("large", string(text))
	w.must("large", in("large"))
	w.must(in("large"), "large.back")
	got, err := os.ReadFile(filepath.Join(w.dir, "large.back"))
	if err != nil || !bytes.Equal(got, text) {
		w.Errorf("the large file came back with %d bytes, %v", len(got), err)
	}
}

// archives goes by standard input and output, with owners.
func (w *pair) archives(in func(string) string) {
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	if err := errors.Join(out.WriteHeader(&tar.Header{Name: "owned", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 12, Gid: 34}), out.Close()); err != nil {
		w.Fatal(err)
	}
	for _, flags := range [][]string{{}, {"-a"}} {
		if out, errs, code := w.cp(b.Bytes(), append(flags, "-c", "left", "-", in(""))...); code != 0 || len(out) > 0 || errs != "" {
			w.Errorf("cp %v - = %d %q %q", flags, code, out, errs)
		}
		text, errs, code := w.cp(nil, "-c", "left", in("owned"), "-")
		r := tar.NewReader(bytes.NewReader(text))
		h, err := r.Next()
		if code != 0 || errs != "" || err != nil {
			w.Fatalf("cp - = %d %q, %v", code, errs, err)
		}
		kept := os.Geteuid() == 0 && len(flags) > 0
		if h.Name != "owned" || (h.Uid == 12 && h.Gid == 34) != kept || (h.Mode == 0o4755) != kept {
			w.Errorf("cp %v made %s of %d:%d with %o", flags, h.Name, h.Uid, h.Gid, h.Mode)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			w.Errorf("the archive goes on: %v", err)
		}
	}
	if os.Geteuid() == 0 {
		w.must("-a", in("owned"), "mine")
	}
}

// links has links in the container that lead to a file of this machine: they lead nobody there.
func (w *pair) links(in func(string) string) {
	for name, to := range map[string]string{"evil": w.secret, "evildir": filepath.Dir(w.secret)} {
		if err := os.Symlink(to, filepath.Join(w.dir, name)); err != nil {
			w.Fatal(err)
		}
		w.must(name, in(name))
	}
	w.must(in("evil"), "copied")
	if to, err := os.Readlink(filepath.Join(w.dir, "copied")); err != nil || to != w.secret {
		w.Errorf("the link was copied as %q, %v", to, err)
	}
	if w.driver == "process" {
		return // there it is the task's own user who follows them
	}
	for _, args := range [][]string{
		{"-L", in("evil"), "stolen"},
		{in("evildir/secret"), "stolen"},
		{in("evildir/"), "stolen"},
		{w.id + ":" + strings.Repeat("../", 20) + w.secret, "stolen"},
		{w.id + ":/proc/1/root" + w.secret, "stolen"},
		{w.id + ":/proc/self/environ", "stolen"},
		{"f", in("evil")},
		{"f", in("evildir/new")},
		{"f", in("evildir/")},
		{"tree", in("evildir/new")},
		{"f", w.id + ":/proc/1/root/new"},
	} {
		out, errs, code := w.cp(nil, append([]string{"-c", "left"}, args...)...)
		if code != 1 || strings.Contains(string(out)+errs, "machine's") {
			w.Errorf("maitred cp %q = %d %q %q, want an error", args, code, out, errs)
		}
	}
	if _, err := os.Lstat(filepath.Join(w.dir, "stolen")); err == nil {
		w.Error("there is a copy of what the container does not have")
	}
	names, err := os.ReadDir(filepath.Dir(w.secret))
	text, _ := os.ReadFile(w.secret)
	if err != nil || len(names) != 3 || string(text) != "the machine's" {
		w.Errorf("the machine has %v now, and its file says %q", names, text)
	}
}

// inVolume copies into a volume of the one container and out of that of the other, whose root is read-only.
func (w *pair) inVolume() {
	if w.driver == "process" {
		return
	}
	w.must("f", w.id+":/data/in")
	if _, errs, code := w.cp(nil, "-c", "right", w.id+":/data/in", "out"); code != 0 {
		w.Errorf("cp out of a volume = %d %q", code, errs)
	}
	w.want("out", "text")
	if _, errs, code := w.cp(nil, "-c", "right", "tree", w.id+":/data"); code != 0 {
		w.Errorf("cp into a volume of a container whose root is read-only = %d %q", code, errs)
	}
	if _, errs, code := w.cp(nil, "-c", "right", "f", w.id+":/etc/f"); code != 1 || !strings.Contains(errs, "read-only") {
		w.Errorf("cp into a root that is read-only = %d %q, want 1 and why", code, errs)
	}
}

// badInput is told what is wrong, and nothing happens.
func (w *pair) badInput(in func(string) string) {
	for _, step := range []struct {
		stdin string
		args  []string
		code  int
		err   string // substring
	}{
		{args: nil, code: 2, err: "a source and a destination"},
		{args: []string{"f"}, code: 2, err: "a source and a destination"},
		{args: []string{"f", in("f"), "g"}, code: 2, err: "a source and a destination"},
		{args: []string{"f", "g"}, code: 2, err: "neither end"},
		{args: []string{"-", "-"}, code: 2, err: "neither end"},
		{args: []string{in("f"), in("g")}, code: 2, err: "both ends"},
		{args: []string{w.id + ":", "g"}, code: 2, err: "no path"},
		{args: []string{":/f", "g"}, code: 2, err: "no task"},
		{args: []string{w.task, "g"}, code: 2, err: "no path"},
		{args: []string{"", in("f")}, code: 2, err: "empty"},
		{args: []string{"--nonsense", "f", in("f")}, code: 2, err: "nonsense"},
		{args: []string{in("f"), "g", "-c", "middle"}, code: 1, err: "left, right"},
		{args: []string{in("f"), "g"}, code: 1, err: "left, right"},
		{args: []string{"pear:/f", "g"}, code: 1, err: "pair"},
		{args: []string{in("none"), "g", "-c", "left"}, code: 1, err: "there is no " + w.room + "/none in the container"},
		{args: []string{in("f"), "no/such/g", "-c", "left"}, code: 1, err: "no/such does not exist"},
		{args: []string{in("f"), "g/", "-c", "left"}, code: 1, err: "g/ does not exist"},
		{args: []string{in("new"), "f", "-c", "left"}, code: 1, err: "not copied onto it"},
		{args: []string{in("f"), "/dev/null", "-c", "left"}, code: 1, err: "neither a file nor a directory"},
		{args: []string{"none", in("g"), "-c", "left"}, code: 1, err: "no such file"},
		{args: []string{"f", in("no/such/g"), "-c", "left"}, code: 1, err: "no/such does not exist"},
		{args: []string{"f", in("g/"), "-c", "left"}, code: 1, err: "does not exist"},
		{args: []string{"f", in("f/g"), "-c", "left"}, code: 1, err: "ot a directory"},
		{args: []string{"tree", in("f"), "-c", "left"}, code: 1, err: "not copied onto it"},
		{args: []string{"-", in("f"), "-c", "left"}, code: 1, err: "not a directory"},
		{stdin: strings.Repeat("no archive", 99), args: []string{"-", in(""), "-c", "left"}, code: 1, err: "archive"},
		{args: []string{"f", w.id + ":/proc/f", "-c", "left"}, code: 1, err: "/proc"},
		{args: []string{"--endpoint", "http://127.0.0.1:1", in("f"), "g"}, code: 1, err: "is it running?"},
	} {
		out, errs, code := w.cp([]byte(step.stdin), step.args...)
		if code != step.code || !strings.Contains(errs, step.err) || len(out) > 0 {
			w.Errorf("maitred cp %q = %d %q %q, want %d and %q", step.args, code, out, errs, step.code, step.err)
		}
	}
	up := tarOf(w.T, "../g")
	if _, errs, code := w.cp(up, "-", in("new"), "-c", "left"); code != 1 || !strings.Contains(errs, "outside") {
		w.Errorf("cp of an archive that leads up = %d %q, want it refused", code, errs)
	}
	if _, err := os.Lstat(filepath.Join(w.dir, "g")); err == nil {
		w.Error("there is a file that no copy was to make")
	}
	if _, errs, code := w.cp(nil, in("g"), "h", "-c", "left"); code != 1 {
		w.Errorf("there is a file in the container that no copy was to make: %d %q", code, errs)
	}
	w.want("f", "text")
}

func tarOf(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	if err := errors.Join(out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}), out.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// terminals: no archive is read from one, or written to one.
func (w *pair) terminals(in func(string) string) {
	for _, args := range [][]string{{"-", in("")}, {in("f"), "-"}} {
		cmd := exec.Command(binary(), append([]string{"cp", "-c", "left", "--endpoint", w.p.api}, args...)...)
		cmd.Env = environment()
		terminal, err := pty.Start(cmd)
		if err != nil {
			w.Fatal(err)
		}
		said, _ := io.ReadAll(terminal) // ends with an error where the other end is closed
		_ = cmd.Wait()
		if _ = terminal.Close(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(said), "a terminal") {
			w.Errorf("maitred cp %q on a terminal = %d %q, want 2", args, cmd.ProcessState.ExitCode(), said)
		}
	}
}
