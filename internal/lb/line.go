package lb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

// message is a line that one balancer of a machine says to the one that takes over from it, or the other way round.
type message struct {
	// Network and Address are those of a socket, which comes with the line. Lock says that the lock does.
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	Lock    bool   `json:"lock,omitempty"`
	// Line says that the listener of the direct line comes with it. It is said after the lock: who does not know the word
	// takes what comes with it for nothing else.
	Line bool `json:"line,omitempty"`
	// Done says that all sockets were said, and that nothing is written any more by who says it.
	Done bool `json:"done,omitempty"`
	// Serving is the answer: the sockets are served. Leaving is the last word on it: by nobody else from now on.
	Serving bool `json:"serving,omitempty"`
	Leaving bool `json:"leaving,omitempty"`
	// Drained is the path of a target to which nothing is in flight any more, and At when its deregistration began.
	Drained string    `json:"drained,omitempty"`
	At      time.Time `json:"at,omitzero"`
	// Waits is the ARN of a target group for which something waits since At, or nothing any more if that is not said.
	Waits string `json:"waits,omitempty"`
}

// lineMax bounds a line.
const lineMax = 16 << 10

// line is the connection of two balancers of a machine.
type line struct {
	conn  *net.UnixConn
	got   []byte     // and not read yet
	files []*os.File // that came with it
}

// send says something, and passes a file on with it if it is not nil.
func (l *line) send(m message, file *os.File) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("say something to another balancer: %w", err)
	}
	text = append(text, '\n')
	var rights []byte
	if file != nil {
		rights = syscall.UnixRights(int(file.Fd()))
	}
	n, _, err := l.conn.WriteMsgUnix(text, rights, nil)
	runtime.KeepAlive(file)
	if err == nil && n < len(text) {
		_, err = l.conn.Write(text[n:])
	}
	if err != nil {
		return fmt.Errorf("say something to another balancer: %w", err)
	}
	return nil
}

// receive hears something, with the file that comes with it.
func (l *line) receive() (m message, file *os.File, err error) {
	for {
		text, rest, whole := bytes.Cut(l.got, []byte{'\n'})
		if len(text) > lineMax {
			return m, nil, errors.New("another balancer says too much at once")
		}
		if whole {
			l.got = rest
			return l.parse(text)
		}
		if err := l.more(); err != nil {
			return m, nil, fmt.Errorf("hear from another balancer: %w", err)
		}
	}
}

func (l *line) parse(text []byte) (m message, file *os.File, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return m, nil, fmt.Errorf("another balancer says %q: %w", text, err)
	}
	if !m.Lock && !m.Line && m.Network == "" {
		return m, nil, nil
	}
	if len(l.files) == 0 {
		return m, nil, fmt.Errorf("another balancer says %q, and nothing comes with it", text)
	}
	file = l.files[0]
	l.files = l.files[1:]
	return m, file, nil
}

// more reads what there is.
func (l *line) more() error {
	text, rights := make([]byte, 4<<10), make([]byte, syscall.CmsgSpace(16*4))
	n, k, _, _, err := l.conn.ReadMsgUnix(text, rights)
	if err != nil {
		return err
	}
	if n == 0 && k == 0 {
		return io.EOF
	}
	l.got = append(l.got, text[:n]...)
	messages, err := syscall.ParseSocketControlMessage(rights[:k])
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return err
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			l.files = append(l.files, os.NewFile(uintptr(fd), "passed on"))
		}
	}
	return nil
}

func (l *line) close() {
	for _, f := range l.files {
		_ = f.Close() // nobody has used it
	}
	_ = l.conn.Close() // what is said is said
}
