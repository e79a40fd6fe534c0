package lb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A balancer that is started while another one serves for the same machine takes over from it:
//
//	old: its sockets, each with a line; "done", and it writes nothing from now on
//	new: serves the sockets; "serving"
//	old: "leaving", accepts no more connections, and lets its requests end
//	old: the targets that are drained, as far as it is concerned, and for whose tasks something waits; then it ends
//
// Both accept from the same sockets in between, so that no client is turned away. If the new one ends before it serves,
// the old one goes on as if nothing had been. The lock, which makes them one at a time, is passed on like a socket.

var (
	// ErrTakenOver is what Run gives when another balancer has taken over. It is as good an end as any.
	ErrTakenOver = errors.New("another balancer of this machine has taken over")
	// ErrInUse says that another balancer serves for this machine, and does not hand over.
	ErrInUse = errors.New("another balancer serves with this data directory and does not hand over")
)

const (
	lockFile = "lock"
	doorFile = "next.sock"
	// talkTimeout bounds what two balancers have to say to each other until one serves in place of the other.
	talkTimeout = 15 * time.Second
	// askEvery is the time between two attempts to find the other one, which may only be starting.
	askEvery = 20 * time.Millisecond
	// tellTimeout bounds how long the loop waits to say a line: they fit into the socket's buffer.
	tellTimeout = 100 * time.Millisecond
)

// estate is what a balancer begins with: the sockets of the one before, if there was one, and the lock.
type estate struct {
	sockets map[place]*socket
	lock    *os.File
	line    *os.File // the listener of the direct line; nil: there is none
	elder   *line    // nil: there was no other one
}

// inherit takes the lock, or what the balancer that has it hands over.
func (b *Balancer) inherit(ctx context.Context) (*estate, error) {
	if b.config.Dir == "" {
		return &estate{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, talkTimeout)
	defer cancel()
	for {
		e, err := b.ask(ctx)
		if err == nil {
			return e, nil
		}
		lock, locked := takeLock(filepath.Join(b.config.Dir, lockFile))
		if locked == nil {
			return &estate{lock: lock}, nil
		}
		if !errors.Is(locked, syscall.EWOULDBLOCK) {
			return nil, locked
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrInUse, err)
		case <-time.After(askEvery):
		}
	}
}

// takeLock locks a file as long as it, or a copy of it, is open.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the balancer's lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// ask has the balancer that serves hand over.
func (b *Balancer) ask(ctx context.Context) (*estate, error) {
	var c net.Conn
	if err := inDir(b.config.Dir, func(short string) (err error) {
		var dialer net.Dialer
		c, err = dialer.DialContext(ctx, "unix", filepath.Join(short, doorFile))
		return err
	}); err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the door is a %T", c), c.Close())
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	e := &estate{sockets: map[place]*socket{}, elder: &line{conn: conn}}
	if err := e.take(); err != nil {
		return nil, errors.Join(err, e.refuse())
	}
	return e, nil
}

// take hears what is handed over.
func (e *estate) take() error {
	for {
		m, file, err := e.elder.receive()
		switch {
		case err != nil:
			return err
		case m.Lock:
			e.lock = file
		case m.Line:
			e.line = file
		case m.Network != "":
			e.sockets[place{m.Network, m.Address}] = &socket{network: m.Network, address: m.Address, file: file}
		case m.Done:
			return nil
		}
	}
}

// refuse gives up what was handed over.
func (e *estate) refuse() error {
	var errs []error
	for _, s := range e.sockets {
		errs = append(errs, s.close())
	}
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
	}
	if e.line != nil {
		errs = append(errs, e.line.Close())
	}
	if e.elder != nil {
		e.elder.close()
	}
	return errors.Join(errs...)
}

// claim says that what was handed over is served, and has the last word on it.
func (e *estate) claim() error {
	if e.elder == nil {
		return nil
	}
	if err := e.elder.send(message{Serving: true}, nil); err != nil {
		return err
	}
	m, _, err := e.elder.receive()
	if err == nil && !m.Leaving {
		err = fmt.Errorf("another balancer hands over and then says %+v", m)
	}
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	return e.elder.conn.SetDeadline(time.Time{})
}

// elder is the balancer that this one has taken over from, while it lets its last requests end.
type elder struct {
	gone chan struct{} // closed when it has ended

	mu   sync.Mutex
	said map[string]time.Time // targets that are drained as far as it is concerned: when their deregistration began
}

// follow hears what an elder says, until it ends.
func (e *elder) follow(from *line, in *inbox, waits func(group string, since time.Time), gone func()) {
	defer in.review()
	defer gone()
	defer close(e.gone)
	for {
		m, _, err := from.receive()
		if err != nil {
			return
		}
		if m.Drained != "" {
			e.mu.Lock()
			e.said[m.Drained] = m.At
			e.mu.Unlock()
			in.notice(m.Drained)
		}
		if m.Waits != "" {
			waits(m.Waits, m.At)
		}
	}
}

// drained says that the elder has nothing in flight to a target whose deregistration began at a time.
func (e *elder) drained(path string, at time.Time) bool {
	if e == nil {
		return true
	}
	select {
	case <-e.gone:
		return true
	default:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	said, ok := e.said[path]
	return ok && said.Equal(at)
}

// wait returns when the elder is gone, or when ctx ends.
func (e *elder) wait(ctx context.Context) {
	if e == nil {
		return
	}
	select {
	case <-e.gone:
	case <-ctx.Done():
	}
}

// shortPath is a length that every Unix takes as that of a socket's directory, of about 100 bytes in all.
const shortPath = 80

// inDir calls a function with a short name of a directory.
func inDir(dir string, do func(short string) error) (err error) {
	if len(dir) <= shortPath {
		return do(dir)
	}
	scratch, err := os.MkdirTemp("", "maitred-")
	if err != nil {
		return fmt.Errorf("find a short name of %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	short := filepath.Join(scratch, "dir")
	if err := os.Symlink(dir, short); err != nil {
		return fmt.Errorf("find a short name of %s: %w", dir, err)
	}
	return do(short)
}

// openDoor listens for the balancer that will take over, in place of whoever listened there before.
func (b *Balancer) openDoor() (*net.UnixListener, error) {
	path := filepath.Join(b.config.Dir, doorFile)
	begun := path + ".new"
	if err := os.Remove(begun); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open the balancer's door: %w", err)
	}
	var l *net.UnixListener
	if err := inDir(b.config.Dir, func(short string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(short, doorFile) + ".new", Net: "unix"})
		return err
	}); err != nil {
		return nil, fmt.Errorf("open the balancer's door: %w", err)
	}
	l.SetUnlinkOnClose(false) // by then it may be somebody else's
	if err := os.Rename(begun, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open the balancer's door: %w", err), l.Close())
	}
	return l, nil
}

// attend hands over to the first that asks and then serves. It ends when the door is closed.
func (l *loop) attend(ctx context.Context, door *net.UnixListener, lock *os.File) {
	for {
		c, err := door.AcceptUnix()
		if err != nil {
			return
		}
		heir := &line{conn: c}
		l.writer.hold()
		if err = l.handOver(ctx, heir, lock); err == nil {
			_ = door.Close() // the other one has a door of its own
			l.leaveLine()
			l.heirs <- heir
			return
		}
		l.writer.release()
		heir.close()
		l.config.Log.Warn("another balancer did not take over; this one serves on", "error", err)
	}
}

func (l *loop) handOver(ctx context.Context, heir *line, lock *os.File) error {
	if err := heir.conn.SetDeadline(time.Now().Add(talkTimeout)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = heir.conn.SetDeadline(time.Unix(1, 0)) })()
	offers := make(chan offer, 1)
	select {
	case l.asks <- offers:
	case <-ctx.Done():
		return ctx.Err()
	}
	o := <-offers
	defer o.close()
	if o.err != nil {
		return o.err
	}
	for _, s := range o.sockets {
		if err := heir.send(message{Network: s.network, Address: s.address}, s.file); err != nil {
			return err
		}
	}
	if err := errors.Join(heir.send(message{Lock: true}, lock), l.offerLine(heir), heir.send(message{Done: true}, nil)); err != nil {
		return err
	}
	m, _, err := heir.receive()
	if err == nil && !m.Serving {
		err = fmt.Errorf("it says %+v", m)
	}
	if err != nil {
		return err
	}
	return errors.Join(heir.send(message{Leaving: true}, nil), heir.conn.SetDeadline(time.Time{}))
}

// offer are copies of all sockets.
type offer struct {
	sockets []*socket
	err     error
}

func (o offer) close() {
	for _, s := range o.sockets {
		_ = s.close() // a copy
	}
}

// offer copies the sockets.
func (p *ports) offer() (o offer) {
	for at, s := range p.sockets {
		f, err := duplicate(s.file)
		if err != nil {
			o.err = err
			return o
		}
		o.sockets = append(o.sockets, &socket{network: at.network, address: at.address, file: f})
	}
	return o
}

// bequeath says that a target is drained, as far as this balancer is concerned.
func (l *loop) bequeath(path string, at time.Time) {
	if l.heir == nil || l.bequeathed[path].Equal(at) {
		return
	}
	l.bequeathed[path] = at
	if err := l.tellHeir(message{Drained: path, At: at}); err != nil {
		l.config.Log.Warn("the balancer that has taken over does not hear that a target is drained", "target", path, "error", err)
	}
}

func (l *loop) tellHeir(m message) error {
	if err := l.heir.conn.SetWriteDeadline(time.Now().Add(tellTimeout)); err != nil {
		return err
	}
	return l.heir.send(m, nil)
}

// begin makes the first pass, with what was inherited, and then has the last word on it. Afterwards others counts what
// goes on until closeDoor is called.
func (l *loop) begin(ctx context.Context, e *estate, others *sync.WaitGroup) (closeDoor func(), err error) {
	maps.Copy(l.ports.sockets, e.sockets)
	if e.elder == nil { // whose record is there
		l.announce(ctx)
	}
	l.pass(ctx)
	if l.config.Dir == "" {
		l.serving()
		return func() {}, nil
	}
	door, err := l.openDoor()
	if err != nil {
		return l.giveUp(e), err
	}
	if err := e.claim(); err != nil {
		return l.giveUp(e), errors.Join(err, door.Close())
	}
	if e.elder != nil {
		l.elder = &elder{gone: make(chan struct{}), said: map[string]time.Time{}}
		others.Go(func() { l.elder.follow(e.elder, &l.inbox, l.adoptDemand, l.forgetElder) })
	}
	attending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	others.Go(func() { l.attend(attending, door, e.lock) })
	l.serving()
	return func() {
		cancel()
		_ = door.Close() // it may be closed
		if e.elder != nil {
			_ = e.elder.conn.Close()
		}
	}, nil
}

// announce tells the store that the balancer is there before it serves anybody: a target whose deregistration begins from now
// on waits for its word. It does not wait for a store that is away.
func (l *loop) announce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	l.beat()
	if err := l.writer.flush(ctx); err != nil {
		l.config.Log.Warn("the balancer serves, and the store does not know of it yet", "error", err)
	}
}

func (b *Balancer) serving() {
	if b.config.Line != nil {
		b.config.Line.Serve()
	}
	if b.config.Serving != nil {
		b.config.Serving()
	}
}

// giveUp ends what has begun to be served.
func (l *loop) giveUp(e *estate) (closeDoor func()) {
	now, cut := context.WithCancel(context.Background())
	cut()
	l.ports.end(now)
	l.ports.ending.Wait()
	if e.elder != nil {
		e.elder.close()
	}
	return func() {}
}

// taken says that another balancer has taken over, and ends the connection to it: nothing is in flight any more.
func (l *loop) taken() bool {
	select {
	case l.heir = <-l.heirs: // at the last moment
	default:
	}
	if l.heir == nil {
		return false
	}
	l.heir.close()
	return true
}
