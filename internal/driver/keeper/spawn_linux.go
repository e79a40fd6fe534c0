package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is where programs are looked for when the environment says nothing: Docker's default.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// program is a command made ready to execute.
type program struct {
	Path   string   `json:"path"`
	Argv   []string `json:"argv"`
	Env    []string `json:"env"`
	Dir    string   `json:"-"`
	Cred   *cred    `json:"cred,omitempty"` // nil: the keeper's own
	Limits []rlimit `json:"limits,omitempty"`
	cgroup string
	// namespaces are the flags of clone(2) for new ones.
	namespaces uintptr

	std      []int // standard input, output and error, if they are not those of a container
	terminal bool  // std is a terminal, which shall control the program's session
}

// cred is a user to run as.
type cred struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups"`
}

// rlimit is a resource limit in the kernel's terms.
type rlimit struct {
	Resource   int
	Soft, Hard uint64
}

// prepare finds out what to execute for a command in the surroundings of a spec. Its errors are those of a start.
func prepare(spec *Spec, argv []string) (*program, error) {
	if len(argv) == 0 || argv[0] == "" {
		return nil, cannotStart("there is no command: entryPoint and command are empty")
	}
	p := &program{Argv: argv, Env: spec.Env, Dir: spec.Dir}
	if info, err := os.Stat(spec.Dir); err != nil || !info.IsDir() {
		return nil, cannotStart("workingDirectory %s: %s", spec.Dir, why(err, "is not a directory"))
	}
	var err error
	if p.Path, err = lookPath(argv[0], spec.Dir, pathOf(spec.Env)); err != nil {
		return nil, cannotStart("exec %q: %s", argv[0], err)
	}
	if p.Cred, err = resolveUser(spec.User); err != nil {
		return nil, cannotStart("user %q: %s", spec.User, err)
	}
	if p.Limits, err = resolveLimits(spec.Limits); err != nil {
		return nil, cannotStart("ulimits: %s", err)
	}
	if _, err := signalNumber(spec.StopSignal); err != nil {
		return nil, cannotStart("stop signal: %s", err)
	}
	return p, nil
}

// why gives an error's reason without the path that it was about.
func why(err error, otherwise string) string {
	var at *fs.PathError
	switch {
	case err == nil:
		return otherwise
	case errors.As(err, &at):
		return at.Err.Error()
	}
	return err.Error()
}

// pathOf finds the search path in an environment; as for execvp, the first one counts.
func pathOf(env []string) string {
	for _, entry := range env {
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			return path
		}
	}
	return defaultPath
}

// lookPath finds a program as execvp does; what is relative is so to the working directory.
func lookPath(name, dir, path string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	found := error(unix.ENOENT)
	for _, place := range filepath.SplitList(path) {
		if !filepath.IsAbs(place) {
			place = filepath.Join(dir, place)
		}
		full := filepath.Join(place, name)
		info, err := os.Stat(full)
		switch {
		case err != nil || info.IsDir():
			continue
		case info.Mode()&0o111 == 0:
			found = unix.EACCES
			continue
		}
		return full, nil
	}
	if errors.Is(found, unix.ENOENT) {
		return "", errors.New("executable file not found in PATH " + path)
	}
	return "", found
}

// resolveUser finds a user by name or uid, then optionally :group. Only root may become somebody else.
func resolveUser(text string) (*cred, error) {
	if text == "" {
		return nil, nil
	}
	name, group, withGroup := strings.Cut(text, ":")
	c := &cred{Groups: []int{}}
	if err := c.setUser(name); err != nil {
		return nil, err
	}
	if withGroup {
		gid, err := groupID(group)
		if err != nil {
			return nil, err
		}
		c.GID, c.Groups = gid, []int{}
	}
	switch self := os.Getuid(); {
	case self == 0:
		return c, nil
	case c.UID != self:
		return nil, fmt.Errorf("only root can run programs as another user, and this is uid %d", self)
	case withGroup && c.GID != os.Getgid():
		return nil, fmt.Errorf("only root can choose a group, and this is uid %d, gid %d", self, os.Getgid())
	}
	return nil, nil
}

// setUser looks a user up. A uid that no user has belongs to group 0, as with Docker.
func (c *cred) setUser(name string) error {
	uid, notNumber := strconv.Atoi(name)
	find := user.Lookup
	if notNumber == nil {
		find = user.LookupId
	}
	u, err := find(name)
	if err != nil {
		if notNumber == nil && uid >= 0 {
			c.UID = uid
			return nil
		}
		return errors.New("there is no such user on this machine")
	}
	groups, err := u.GroupIds()
	if err != nil {
		return err
	}
	c.UID, _ = strconv.Atoi(u.Uid)
	c.GID, _ = strconv.Atoi(u.Gid)
	for _, g := range groups {
		if gid, err := strconv.Atoi(g); err == nil {
			c.Groups = append(c.Groups, gid)
		}
	}
	return nil
}

func groupID(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil && gid >= 0 {
		return gid, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q on this machine", name)
	}
	return strconv.Atoi(g.Gid)
}

// resolveLimits puts limits into the kernel's terms; -1 is no limit.
func resolveLimits(limits []Limit) ([]rlimit, error) {
	var found []rlimit
	for _, l := range limits {
		number, known := resources()[l.Name]
		if !known {
			return nil, fmt.Errorf("%q is no resource limit", l.Name)
		}
		// -1 becomes the largest number, which is RLIM_INFINITY.
		found = append(found, rlimit{Resource: number, Soft: uint64(l.Soft), Hard: uint64(l.Hard)})
	}
	return found, nil
}

// signalNumber reads a signal's name with or without SIG, or its number; "" is SIGTERM.
func signalNumber(name string) (syscall.Signal, error) {
	if name == "" {
		return syscall.SIGTERM, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n), nil
	}
	upper := strings.ToUpper(name)
	if n := unix.SignalNum("SIG" + strings.TrimPrefix(upper, "SIG")); n != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("%q is no signal", name)
}

// fork executes a program as the leader of a new session, with an empty standard input and one descriptor for its
// output. The error tells why it could not be executed.
func (p *program) fork(null, out int) (int, error) {
	attr := &syscall.ProcAttr{
		Dir: p.Dir, Env: p.Env, Files: []uintptr{uintptr(null), uintptr(out), uintptr(out)},
		Sys: &syscall.SysProcAttr{Setsid: true, Credential: p.Cred.credential(), Cloneflags: p.namespaces},
	}
	if p.std != nil {
		attr.Files = []uintptr{uintptr(p.std[0]), uintptr(p.std[1]), uintptr(p.std[2])}
		attr.Sys.Setctty = p.terminal // descriptor 0 of the child
	}
	if p.cgroup != "" {
		fd, err := unix.Open(p.cgroup, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("open a cgroup: %w", err)
		}
		defer func() { _ = unix.Close(fd) }()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
	}
	if len(p.Limits) > 0 {
		return p.forkLimited(attr)
	}
	return syscall.ForkExec(p.Path, p.Argv, attr)
}

func (c *cred) credential() *syscall.Credential {
	if c == nil {
		return nil
	}
	groups := make([]uint32, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = uint32(g)
	}
	return &syscall.Credential{Uid: uint32(c.UID), Gid: uint32(c.GID), Groups: groups}
}

// forkLimited executes a program with resource limits. They must hold before its first instruction, and setting them on
// the keeper itself around the fork would hit the keeper; so the child executes the keeper's own binary first, which
// sets them and then executes the program (see shim). Only containers with ulimits pay for that.
func (p *program) forkLimited(attr *syscall.ProcAttr) (int, error) {
	what, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	var in, out [2]int
	if err := unix.Pipe2(in[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	if err := unix.Pipe2(out[:], unix.O_CLOEXEC); err != nil {
		return 0, errors.Join(err, unix.Close(in[0]), unix.Close(in[1]))
	}
	order, answer := os.NewFile(uintptr(in[1]), "order"), os.NewFile(uintptr(out[0]), "answer")
	defer func() { _ = order.Close() }()
	defer func() { _ = answer.Close() }()
	shim := *attr
	shim.Env = nil
	shim.Files = append(append([]uintptr{}, attr.Files...), uintptr(in[0]), uintptr(out[1]))
	shim.Sys.Credential = nil // limits are raised by root, so the shim changes the user itself
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"maitred", "keeper", shimVerb}, &shim)
	err = errors.Join(err, unix.Close(in[0]), unix.Close(out[1]))
	if err != nil {
		return 0, err
	}
	if _, err := order.Write(what); err != nil {
		return 0, fmt.Errorf("hand over to the shim: %w", err)
	}
	_ = order.Close()
	// The shim's end closes by itself when the program is executed.
	failed, err := io.ReadAll(answer)
	if err == nil && len(failed) > 0 {
		err = errors.New(string(failed))
	}
	return pid, err
}
