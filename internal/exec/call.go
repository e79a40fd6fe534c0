package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/coder/websocket"

	"github.com/maitred/maitred/internal/driver"
)

// FailedError is what the agent says of a command that could not be run.
type FailedError struct{ Text string }

// Error gives what it says.
func (e *FailedError) Error() string { return e.Text }

// Call asks at a URL (http or https) for a command, and gives its exit code. opened, unless it is nil, is called with the
// answer's headers before anything is copied. When ctx ends, the command is killed.
//
// A Read of Stdin may be under way when Call returns, see driver.Exec.
func Call(
	ctx context.Context, client *http.Client, url string, e driver.Exec, opened func(http.Header),
) (int, error) {
	if len(e.Command) == 0 || e.Command[0] == "" {
		return 0, &FailedError{"the command is empty"}
	}
	first, err := json.Marshal(opening{
		Command: e.Command, Terminal: e.Terminal, Columns: e.Size.Columns, Rows: e.Size.Rows, Input: e.Stdin != nil,
	})
	if err != nil {
		return 0, err
	}
	conn, answer, err := websocket.Dial(ctx, //nolint:bodyclose // websocket.Dial: "You never need to close resp.Body yourself."
		url, &websocket.DialOptions{
			HTTPClient: client, Subprotocols: []string{protocol}, CompressionMode: websocket.CompressionDisabled,
		})
	if err != nil {
		return 0, refusal(answer, err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxMessage)
	if opened != nil {
		opened(answer.Header)
	}
	l := &line{Conn: conn}
	if err := l.send(ctx, kindOpen, first); err != nil {
		return 0, broken(ctx, err)
	}
	c := &caller{line: l, e: e, room: newRoom()}
	defer c.room.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if e.Stdin != nil {
		go c.feed(ctx) // its end is the caller's business
	}
	if e.Resize != nil {
		go c.resize(ctx) // ends with ctx
	}
	return c.listen(ctx)
}

// refusal tells why there was no connection, in the words of the answer if it has some.
func refusal(answer *http.Response, err error) error {
	if answer == nil || answer.Body == nil {
		return err
	}
	text, bad := io.ReadAll(io.LimitReader(answer.Body, chunk))
	var body struct{ Code, Message string }
	if bad != nil || json.Unmarshal(text, &body) != nil || body.Message == "" {
		return err
	}
	return &FailedError{body.Message}
}

// broken tells that the connection broke.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the connection to the command broke: %w", err)
}

// caller is the caller's end of one command.
type caller struct {
	line *line
	e    driver.Exec
	room *room
}

// listen copies what the agent sends, until the command ends.
func (c *caller) listen(ctx context.Context) (int, error) {
	for {
		kind, body, err := c.line.receive(ctx)
		if err != nil {
			return 0, broken(ctx, err)
		}
		switch kind {
		case kindStdout:
			err = write(c.e.Stdout, body)
		case kindStderr:
			err = write(c.e.Stderr, body)
		case kindRoom:
			var n uint32
			n, err = number(body)
			c.room.add(int(min(n, window)))
		case kindExit:
			n, err := number(body)
			return int(int32(n)), err
		case kindFailed:
			return 0, &FailedError{string(body)}
		default:
			err = errProtocol
		}
		if err != nil {
			return 0, err
		}
	}
}

func write(to io.Writer, p []byte) error {
	if to == nil {
		return nil
	}
	_, err := to.Write(p)
	return err
}

// feed sends standard input as far as there is room for it.
func (c *caller) feed(ctx context.Context) {
	buf := make([]byte, chunk)
	for {
		n, err := c.e.Stdin.Read(buf)
		for p := buf[:n]; len(p) > 0; {
			part := c.room.take(len(p))
			if part == 0 || c.line.send(ctx, kindInput, p[:part]) != nil {
				return
			}
			p = p[part:]
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				_ = c.line.send(ctx, kindEnd, nil) // when it cannot be sent, listen tells why
			}
			return
		}
	}
}

func (c *caller) resize(ctx context.Context) {
	for {
		select {
		case size, ok := <-c.e.Resize:
			if !ok || c.line.send(ctx, kindResize, encodeSize(size)) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
