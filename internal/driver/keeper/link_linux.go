package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxKeeperLog is the size in bytes from which the keeper's own log begins anew when a keeper is started.
const maxKeeperLog = 1 << 20

// noKeeper says that an error of Dial means that no keeper runs: there is no socket, nobody listens on it, or who did is
// about to end.
func noKeeper(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, ErrBroken)
}

// startKeeper starts a keeper and connects to it. Of several programs that try, one does it while the others wait.
func (l *Link) startKeeper(ctx context.Context) (*Client, error) {
	if err := os.MkdirAll(l.cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(l.cfg.Dir, "start.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if client, err := Dial(ctx, l.cfg.Dir); !noKeeper(err) {
		return client, err
	}
	if err := l.spawn(ctx); err != nil {
		return nil, fmt.Errorf("start the keeper (its log is %s): %w", l.logPath(), err)
	}
	return Dial(ctx, l.cfg.Dir)
}

func (l *Link) logPath() string { return filepath.Join(l.cfg.Dir, "keeper.log") }

// spawn executes the keeper and waits until it is ready. It is a session of its own: no terminal's Ctrl-C reaches it.
func (l *Link) spawn(ctx context.Context) error {
	log, err := l.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	answer, announce, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	args := append(append([]string{}, l.cfg.Command[1:]...), "--dir", l.cfg.Dir, "--announce")
	// Only its start ends with ctx.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), l.cfg.Command[0], append(args, l.cfg.Flags...)...)
	cmd.Dir, cmd.Env = l.cfg.Dir, []string{"GOTRACEBACK=all"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{announce}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = announce.Close()
	if err != nil {
		return err
	}
	pid := cmd.Process.Pid
	l.spawned = append(l.spawned, pid)
	_ = cmd.Process.Release() // it is waited for by its pid, see reap
	if err := ready(ctx, answer); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		l.reap(pid, true)
		return err
	}
	l.log.Info("the keeper was started", "pid", pid, "dir", l.cfg.Dir)
	return nil
}

// openLog opens the keeper's own log.
func (l *Link) openLog() (*os.File, error) {
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(l.logPath()); err == nil && info.Size() > maxKeeperLog {
		mode |= os.O_TRUNC
	}
	return os.OpenFile(l.logPath(), mode, 0o600)
}

// ready waits for the keeper's announcement.
func ready(ctx context.Context, answer *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = answer.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	text, err := io.ReadAll(answer)
	switch {
	case string(text) == "ok":
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("it did not become ready: %w", ctx.Err())
	case err != nil:
		return err
	case len(text) == 0:
		return errors.New("it ended at once")
	}
	return errors.New(string(text))
}

// reap takes leave of keepers that this process started and that have ended; for one of them it waits if told so. It is
// done when there is an occasion, as no goroutine shall live as long as a keeper. The link's mu is held.
func (l *Link) reap(pid int, wait bool) {
	left := l.spawned[:0]
	for _, p := range l.spawned {
		options := unix.WNOHANG
		if wait && p == pid {
			options = 0
		}
		got, err := unix.Wait4(p, nil, options, nil)
		for err == unix.EINTR {
			got, err = unix.Wait4(p, nil, options, nil)
		}
		if got == 0 && err == nil {
			left = append(left, p)
		}
	}
	l.spawned = left
}
