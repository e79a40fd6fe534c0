package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxOutput is how many bytes of an exec's output are kept.
const maxOutput = 4 << 10

// execution is a command that runs beside a container's program.
type execution struct {
	container *container
	pid       int
	end       chan death // has room for the one death
}

// exec runs a command in the surroundings of a running container and kills what it leaves behind. When ctx ends, it is
// killed.
func (k *keeper) exec(ctx context.Context, id string, command []string) (int, []byte, error) {
	c := k.await(id)
	if c == nil {
		return 0, nil, fmt.Errorf("exec in %s: %w", id, errNotRunning)
	}
	p, err := prepare(&c.spec, command)
	if err != nil {
		return 0, nil, err
	}
	p.cgroup = c.cgroup
	r, w, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = r.Close() }()
	e := &execution{container: c, end: make(chan death, 1)}
	err = k.begin(e, p, w)
	_ = w.Close()
	if err != nil {
		return 0, nil, err
	}
	output := make(chan []byte, 1)
	k.work.Go(func() { output <- capture(r) })
	return k.result(ctx, e, r, output)
}

// begin starts an execution, if its container runs.
func (k *keeper) begin(e *execution, p *program, out *os.File) error {
	k.mu.Lock()
	running := !e.container.ended
	k.mu.Unlock()
	if !running {
		return fmt.Errorf("exec in %s: %w", e.container.spec.ID, errNotRunning)
	}
	end, err := k.fork(p, int(out.Fd()), func(pid int) {
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

// result waits for the end of an execution, or makes it.
func (k *keeper) result(ctx context.Context, e *execution, r *os.File, output <-chan []byte) (int, []byte, error) {
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
	// What it started was killed with it. Whoever has got away keeps the pipe open, and is not waited for: what has
	// been written is read, but nothing more.
	_ = r.SetReadDeadline(time.Now())
	return d.code(), <-output, context.Cause(ctx)
}

// capture reads until the end or until reading is stopped, and then what is there already; it keeps the first bytes.
func capture(r *os.File) []byte {
	var kept []byte
	buf := make([]byte, 4<<10)
	keep := func(n int) { kept = append(kept, buf[:min(n, maxOutput-len(kept))]...) }
	for {
		n, err := r.Read(buf)
		keep(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return kept
		}
	}
	raw, err := r.SyscallConn()
	if err != nil {
		return kept
	}
	_ = raw.Control(func(fd uintptr) {
		for {
			n, err := unix.Read(int(fd), buf)
			if n <= 0 && err != unix.EINTR {
				return
			}
			keep(max(n, 0))
		}
	})
	return kept
}
