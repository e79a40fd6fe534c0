package lb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/maitred/maitred/internal/model"
)

// Line is a balancer's own direct line, at which its readings are read. Its listener goes from one balancer of a machine to
// the next, as the sockets of listeners do: with an address that was chosen, the next one could not listen there otherwise.
type Line interface {
	// Open makes the line: with the listener of the balancer before, if there is one and it is where the line has to be; one
	// that is not used is closed. It gives what others need to know to reach the line.
	Open(ctx context.Context, before net.Listener) (*model.Peer, error)
	// Serve begins to answer. It is called after Open, when nobody else has the line any more.
	Serve()
	// Listener is what the next balancer gets a copy of. It is asked for after Serve.
	Listener() net.Listener
	// Leave takes no more connections: the next balancer has the line.
	Leave() error
}

// openLine opens the balancer's own line.
func (b *Balancer) openLine(ctx context.Context, e *estate) error {
	if b.config.Line == nil {
		if e.line != nil {
			_ = e.line.Close() // nobody listens there any more
			e.line = nil
		}
		return nil
	}
	var before net.Listener
	if e.line != nil {
		var err error
		if before, err = net.FileListener(e.line); err != nil {
			return fmt.Errorf("take over the direct line: %w", err)
		}
		if err := e.line.Close(); err != nil {
			return fmt.Errorf("take over the direct line: %w", errors.Join(err, before.Close()))
		}
		e.line = nil
	}
	var err error
	if b.peer, err = b.config.Line.Open(ctx, before); err != nil {
		return fmt.Errorf("open the direct line: %w", err)
	}
	return nil
}

// offerLine passes the line's listener on.
func (b *Balancer) offerLine(heir *line) error {
	if b.config.Line == nil {
		return nil
	}
	c, ok := b.config.Line.Listener().(syscall.Conn)
	if !ok {
		return nil // nothing that could be passed on
	}
	f, err := duplicate(c)
	if err != nil {
		return err
	}
	defer func(f *os.File) { _ = f.Close() }(f) // a copy
	return heir.send(message{Line: true}, f)
}

func (b *Balancer) leaveLine() {
	if b.config.Line == nil {
		return
	}
	if err := b.config.Line.Leave(); err != nil {
		b.config.Log.Warn("the direct line is not left to the balancer that has taken over", "error", err)
	}
}
