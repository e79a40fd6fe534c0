package keeper

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// execution is a command that runs beside a container's program.
type execution struct {
	container *container
	pid       int
	end       chan death // has room for the one death
}

// exec runs a command in the surroundings of a running container and kills what it leaves behind. Its standard streams
// are the three descriptors, or none. When ctx ends, it is killed.
func (k *keeper) exec(ctx context.Context, req request, files []int) (int, error) {
	c := k.await(req.ID)
	if c == nil {
		return 0, fmt.Errorf("exec in %s: %w", req.ID, errNotRunning)
	}
	spec := k.surroundings(c)
	p, err := prepare(&spec, req.Command)
	if err != nil {
		return 0, err
	}
	p.cgroup = c.cgroup
	p.std = []int{k.null, k.null, k.null}
	if len(files) == len(p.std) {
		p.std = files
	}
	if p.terminal = req.Terminal; p.terminal {
		p.Env = withTerminal(p.Env)
	}
	p.own()
	e := &execution{container: c, end: make(chan death, 1)}
	if err := k.begin(e, p); err != nil {
		return 0, err
	}
	return k.result(ctx, e)
}

// surroundings is the spec of a container with its environment. Of one that an earlier keeper started only its process
// still knows that: the journal does not tell it.
func (k *keeper) surroundings(c *container) Spec {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.spec.Env == nil && c.spec.Runtime == nil && !c.ended {
		c.spec.Env = variables(environOf(c.pid))
	}
	return c.spec
}

// variables are the words of an environment that are such. A program may have written its title over the rest.
func variables(words []string) []string {
	return slices.DeleteFunc(words, func(word string) bool { return strings.IndexByte(word, '=') < 1 })
}

// withTerminal says which terminal a program is on, unless the environment does: that of Docker.
func withTerminal(env []string) []string {
	if slices.ContainsFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "TERM=") }) {
		return env
	}
	return append(slices.Clone(env), "TERM=xterm")
}

// own gives the streams to the program's user, who could else not open /dev/stdout or its terminal by name.
func (p *program) own() {
	if p.Cred == nil {
		return
	}
	for _, fd := range p.std {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && (p.terminal || st.Mode&unix.S_IFMT == unix.S_IFIFO) {
			_ = unix.Fchown(fd, p.Cred.UID, -1) // at worst they cannot be opened by name
		}
	}
}

// place tells where a running container is: the pid of its first process, and the directory that it began in.
func (k *keeper) place(id string) (response, error) {
	c := k.await(id)
	if c == nil {
		return response{}, errNotRunning
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.ended || c.pid == 0 {
		return response{}, errNotRunning
	}
	return response{PID: c.pid, Dir: c.spec.Dir}, nil
}

// begin starts an execution, if its container runs.
func (k *keeper) begin(e *execution, p *program) error {
	k.mu.Lock()
	running := !e.container.ended
	k.mu.Unlock()
	if !running {
		return fmt.Errorf("exec in %s: %w", e.container.spec.ID, errNotRunning)
	}
	end, err := k.fork(p, k.null, func(pid int) {
		e.pid = pid
		k.execs[pid], k.sessions[pid] = e, e.container
		if e.container.ended {
			_ = unix.Kill(-pid, unix.SIGKILL)
		}
	})
	if end != nil {
		e.end <- *end
	}
	return err
}

// result waits for the end of an execution, or makes it. What it started is killed with it.
func (k *keeper) result(ctx context.Context, e *execution) (int, error) {
	var d death
	select {
	case d = <-e.end:
	case <-ctx.Done():
		k.mu.Lock()
		if k.execs[e.pid] == e {
			_ = unix.Kill(-e.pid, unix.SIGKILL)
		}
		k.mu.Unlock()
		d = <-e.end
	}
	return d.code(), context.Cause(ctx)
}
