package keeper

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

// keeper is the running keeper.
type keeper struct {
	cfg     Config
	log     *slog.Logger
	boot    string
	null    int // an open /dev/null
	cgroups cgroups
	logs    *logDir
	listen  *net.UnixListener
	work    sync.WaitGroup // all goroutines
	quit    chan struct{}  // closed when it shall end

	mu         sync.Mutex
	journal    *journal
	containers map[string]*container
	mains      map[int]*container // by the pid of the running main process, as long as it is this process's child
	sessions   map[int]*container // by session, those of execs included, until the container is removed
	execs      map[int]*execution // by pid
	launches   map[int]chan death // runtimes' commands, by pid
	serial     int                // counts starts
	starting   int                // forks whose pid is not known yet
	early      map[int]death      // children that ended meanwhile
	leftovers  map[string]bool    // cgroups of ended containers that were not empty yet
	deferred   bool               // a sweep could not decide because a container was starting
	strangers  strangers
	watchers   map[*watcher]bool
	conns      map[net.Conn]bool
	stopping   bool
}

// container is a program that was started.
type container struct {
	spec    Spec
	boot    string
	started chan struct{} // closed when the start has succeeded or failed
	failed  error         // why it failed; set before started is closed
	cleared chan struct{} // closed when nothing of a runtime's container is left; nil as long as nobody clears it

	// The rest is guarded by the keeper's mu.
	status driver.Status
	mark   uint16 // of the environment, if an earlier keeper started it
	pid    int
	ticks  uint64
	cgroup string
	out    *output       // nil before the start
	ended  bool          // its main process is gone; status follows when its output is copied
	cpu    time.Duration // of processes of it that are gone and were the keeper's children
}

// Run is the keeper, until Client.Stop or, while nothing runs, SIGTERM. It takes the whole process: it reaps every child
// and makes the process ignore what terminals and starters send.
func Run(cfg Config) error {
	// A keeper's heap is small and lives long. There is no memory limit: with very many containers it would only burn
	// processor time.
	debug.SetGCPercent(25)
	k, records, err := newKeeper(cfg)
	if err != nil {
		return err
	}
	defer k.close()
	signals := make(chan os.Signal, 16)
	// Caught, not ignored: what is ignored would be ignored by the containers too.
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE,
		unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(signals)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the subreaper: %w", err)
	}
	k.adoptAll(records)
	k.killForgotten()
	if k.listen, err = listen(k.cfg.Dir); err != nil {
		return err
	}
	unix.Umask(0o022) // for the containers, as with Docker; the keeper's own files have explicit modes
	k.work.Go(k.accept)
	k.cfg.Ready()
	k.log.Info("the keeper runs", "dir", cfg.Dir, "pid", os.Getpid(), "cgroups", k.cgroups.base, "adopted", len(records))
	debug.FreeOSMemory()
	if err := shrink(); err != nil {
		k.log.Warn("the keeper stays larger than it needs to be", "error", err)
	}
	k.reapUntilQuit(signals)
	return nil
}

// newKeeper opens everything but the socket. It waits until it is the only keeper of the directory.
func newKeeper(cfg Config) (*keeper, []record, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, nil, err
	}
	k := &keeper{
		cfg: cfg, log: cfg.Logger, quit: make(chan struct{}),
		logs:       &logDir{path: filepath.Join(cfg.Dir, logsName), size: cfg.LogSize, keep: cfg.LogFiles},
		containers: map[string]*container{}, mains: map[int]*container{}, sessions: map[int]*container{},
		execs: map[int]*execution{}, launches: map[int]chan death{}, early: map[int]death{}, leftovers: map[string]bool{},
		watchers: map[*watcher]bool{}, conns: map[net.Conn]bool{},
	}
	for _, dir := range []string{cfg.Dir, k.logs.path} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, nil, fmt.Errorf("make the keeper's directory: %w", err)
		}
	}
	if err := lock(filepath.Join(cfg.Dir, lockName)); err != nil {
		return nil, nil, err
	}
	if err := os.Chdir("/"); err != nil {
		return nil, nil, err
	}
	if k.null, err = unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	if k.boot, err = bootID(); err != nil {
		return nil, nil, err
	}
	if !cfg.NoCgroups {
		k.cgroups = newCgroups(cfg.Dir)
	}
	var records []record
	k.journal, records, err = openJournal(cfg.Dir)
	return k, records, err
}

// complete fills in defaults.
func (cfg Config) complete() (Config, error) {
	if cfg.Dir == "" {
		return cfg, errors.New("the keeper needs a directory (--dir)")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return cfg, err
	}
	cfg.Dir = dir
	if cfg.LogSize <= 0 {
		cfg.LogSize = 10 << 20
	}
	cfg.LogSize = max(cfg.LogSize, minLogSize)
	if cfg.LogFiles <= 0 {
		cfg.LogFiles = 3
	}
	if cfg.Ready == nil {
		cfg.Ready = func() {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, nil
}

// lock waits until this process is the only one that has locked a file, and keeps it until its end.
func lock(path string) error {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("open the keeper's lock: %w", err)
	}
	for {
		if err = unix.Flock(fd, unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}

// listen opens the socket, for this user alone. Having the lock, it may replace what a killed keeper left there.
func listen(dir string) (*net.UnixListener, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove a stale socket: %w", err)
	}
	var l *net.UnixListener
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	err := inDir(dir, func(dir string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // its name is of no use any more, see inDir
	return l, nil
}

// reapUntilQuit handles the signals.
func (k *keeper) reapUntilQuit(signals <-chan os.Signal) {
	for {
		select {
		case <-k.quit:
			return
		case s := <-signals:
			switch s {
			case unix.SIGCHLD:
				k.reap()
			case unix.SIGTERM:
				if err := k.stop(); err != nil {
					k.log.Warn("SIGTERM is ignored", "reason", err)
				}
			case unix.SIGPIPE: // a client went away; its write says so
			default:
				k.log.Info("a signal is ignored", "signal", s)
			}
		}
	}
}

// stop makes the keeper end, unless a container runs.
func (k *keeper) stop() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	alive := 0
	for _, c := range k.containers {
		if c.status.State != driver.Exited {
			alive++
		}
	}
	if alive > 0 {
		return fmt.Errorf("%d containers run", alive)
	}
	if !k.stopping {
		k.stopping = true
		close(k.quit)
	}
	return nil
}

// close ends all goroutines and leaves nothing behind but the journal and the logs. The socket's name goes first, so
// that nobody connects to a keeper that ends.
func (k *keeper) close() {
	if k.listen != nil {
		_ = os.Remove(filepath.Join(k.cfg.Dir, socketName))
		_ = k.listen.Close()
	}
	k.mu.Lock()
	for conn := range k.conns {
		// What is answered already still arrives; only reading ends.
		_ = conn.SetReadDeadline(time.Unix(1, 0))
	}
	for _, c := range k.containers {
		if c.out != nil {
			_ = c.out.close()
		}
	}
	k.mu.Unlock()
	k.work.Wait()
	for path := range k.leftovers {
		removeCgroup(path)
	}
	if k.cgroups.base != "" {
		removeCgroup(k.cgroups.base)
	}
	_ = k.journal.close()
	_ = unix.Close(k.null)
}
