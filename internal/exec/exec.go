// Package exec carries a command's streams between the two ends of a WebSocket: whoever asks for the command, and the
// agent that runs it. It is what `maitred exec` speaks, from end to end; what is in between only passes it on.
//
// Every message begins with a byte that says what follows. Input is sent only as far as the other end has room for it,
// so that a command that reads nothing holds up neither its terminal's size nor the news that the caller went away.
package exec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/maitred/maitred/internal/driver"
)

// protocol names the WebSocket's subprotocol.
const protocol = "maitred.exec.v1"

// The kinds of messages: those of the caller, and those of the agent.
const (
	kindOpen   = 'o' // an opening, in JSON: the first message
	kindInput  = 'i' // bytes of standard input
	kindEnd    = 'e' // the end of it
	kindResize = 'r' // columns and rows, two bytes each, big endian

	kindStdout = '1' // bytes
	kindStderr = '2' // bytes
	kindRoom   = 'c' // four bytes, big endian: so many more bytes of input may be sent
	kindExit   = 'x' // four bytes, big endian: the exit code; the last message
	kindFailed = 'f' // why it could not be run; the last message
)

// The bounds of a connection.
const (
	window     = 256 << 10 // bytes of input that may be on their way
	chunk      = 32 << 10  // bytes in a message at most
	maxMessage = chunk + 1
	maxOpening = 256 << 10 // Linux takes arguments of 2 MiB in all; nobody types that
	pingEvery  = 30 * time.Second
)

// errProtocol says that the other end does not speak the protocol.
var errProtocol = errors.New("exec: the other end does not keep to the protocol")

// opening asks for a command.
type opening struct {
	Command  []string `json:"command"`
	Terminal bool     `json:"terminal,omitempty"`
	Columns  uint16   `json:"columns,omitempty"`
	Rows     uint16   `json:"rows,omitempty"`
	Input    bool     `json:"input,omitempty"` // there will be standard input
}

// line is a WebSocket that messages are sent on, by several goroutines.
type line struct {
	*websocket.Conn
	mu sync.Mutex // held while a message is put together and sent
}

func (l *line) send(ctx context.Context, kind byte, body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Write(ctx, websocket.MessageBinary, append([]byte{kind}, body...))
}

func (l *line) sendNumber(ctx context.Context, kind byte, n uint32) error {
	return l.send(ctx, kind, binary.BigEndian.AppendUint32(nil, n))
}

// receive gives the next message.
func (l *line) receive(ctx context.Context) (kind byte, body []byte, err error) {
	what, message, err := l.Read(ctx)
	if err != nil {
		return 0, nil, err
	}
	if what != websocket.MessageBinary || len(message) == 0 {
		return 0, nil, errProtocol
	}
	return message[0], message[1:], nil
}

// number reads four bytes.
func number(body []byte) (uint32, error) {
	if len(body) != 4 {
		return 0, errProtocol
	}
	return binary.BigEndian.Uint32(body), nil
}

func encodeSize(s driver.Size) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, s.Columns), s.Rows)
}

func decodeSize(body []byte) (driver.Size, error) {
	if len(body) != 4 {
		return driver.Size{}, errProtocol
	}
	return driver.Size{Columns: binary.BigEndian.Uint16(body), Rows: binary.BigEndian.Uint16(body[2:])}, nil
}

// output is a stream of the command on its way to the caller.
type output struct {
	ctx  context.Context //nolint:containedctx // of the connection: an io.Writer knows no other
	line *line
	kind byte
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		part := p[:min(len(p), chunk)]
		if err := o.line.send(o.ctx, o.kind, part); err != nil {
			return n, fmt.Errorf("exec: send output: %w", err)
		}
		n, p = n+len(part), p[len(part):]
	}
	return n, nil
}
