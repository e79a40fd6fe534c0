package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/maitred/maitred/internal/driver"
)

// openTimeout bounds how long the first message may take.
const openTimeout = 10 * time.Second

// Serve answers a request for a command by running it: run is called once and gets all but the container. Its context
// ends when the caller goes away. Serve returns when run has.
func Serve(w http.ResponseWriter, r *http.Request, run func(context.Context, driver.Exec) (int, error)) error {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{protocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return fmt.Errorf("exec: %w", err) // the caller has been told
	}
	defer func() { _ = conn.CloseNow() }()
	if conn.Subprotocol() != protocol {
		return errors.Join(errProtocol, conn.Close(websocket.StatusPolicyViolation, "the protocol is "+protocol))
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	l := &line{Conn: conn}
	o, err := readOpening(ctx, l)
	if err != nil {
		return err
	}
	s := &session{line: l, sizes: make(chan driver.Size, 1), cancel: cancel}
	s.input = newInput(func(n int) { _ = l.sendNumber(ctx, kindRoom, uint32(n)) }) // a broken line ends ctx by its reader
	var work sync.WaitGroup
	work.Go(func() { s.listen(ctx) })
	work.Go(func() { s.ping(ctx) })
	code, err := run(ctx, s.exec(ctx, o))
	s.input.end()
	err = s.farewell(ctx, code, err)
	cancel()
	_ = conn.CloseNow()
	work.Wait()
	return err
}

func readOpening(ctx context.Context, l *line) (o opening, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	l.SetReadLimit(maxOpening)
	kind, body, err := l.receive(ctx)
	l.SetReadLimit(maxMessage)
	switch {
	case err != nil:
		return o, err
	case kind != kindOpen:
		return o, errProtocol
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return o, fmt.Errorf("%w: %w", errProtocol, err)
	}
	if len(o.Command) == 0 || o.Command[0] == "" {
		return o, errProtocol
	}
	return o, nil
}

// session is the agent's end of one command.
type session struct {
	line   *line
	input  *input
	sizes  chan driver.Size // has room for one
	cancel context.CancelFunc
}

func (s *session) exec(ctx context.Context, o opening) driver.Exec {
	e := driver.Exec{
		Command: o.Command, Terminal: o.Terminal, Size: driver.Size{Columns: o.Columns, Rows: o.Rows}, Resize: s.sizes,
		Stdout: &output{ctx, s.line, kindStdout},
	}
	if !o.Terminal {
		e.Stderr = &output{ctx, s.line, kindStderr}
	}
	if o.Input {
		e.Stdin = s.input
	}
	return e
}

// listen reads what the caller sends, until it goes away: then the command ends.
func (s *session) listen(ctx context.Context) {
	defer s.cancel()
	for {
		kind, body, err := s.line.receive(ctx)
		if err == nil {
			err = s.told(kind, body)
		}
		if err != nil {
			s.input.end()
			return
		}
	}
}

// told acts on a message.
func (s *session) told(kind byte, body []byte) error {
	switch kind {
	case kindInput:
		return s.input.add(body)
	case kindEnd:
		s.input.end()
	case kindResize:
		size, err := decodeSize(body)
		if err != nil {
			return err
		}
		select {
		case <-s.sizes: // nobody has taken the last one, which holds no more
		default:
		}
		s.sizes <- size
	default:
		return errProtocol
	}
	return nil
}

// ping finds out when the caller has vanished without a word.
func (s *session) ping(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		bounded, cancel := context.WithTimeout(ctx, pingEvery)
		err := s.line.Ping(bounded)
		cancel()
		if err != nil {
			s.cancel()
			return
		}
	}
}

// farewell tells how the command ended.
func (s *session) farewell(ctx context.Context, code int, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // nobody listens any more, and the command ended for that
	}
	if err != nil {
		text := err.Error()
		_ = s.line.send(ctx, kindFailed, []byte(text[:min(len(text), chunk)]))
		return err
	}
	if err := s.line.sendNumber(ctx, kindExit, uint32(int32(code))); err != nil {
		return fmt.Errorf("exec: send the exit code: %w", err)
	}
	return nil
}
