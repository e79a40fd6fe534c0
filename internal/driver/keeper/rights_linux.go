package keeper

import (
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// The bounds of descriptors that come with requests.
const (
	maxFiles = 3   // with one
	maxAhead = 256 // that came and whose requests were not read yet
)

// rights reads a connection, and keeps the descriptors that come with its bytes until their request takes them.
type rights struct {
	conn  *net.UnixConn
	files []int
}

// Read implements io.Reader.
func (r *rights) Read(p []byte) (int, error) {
	var space [64]byte
	n, extra, flags, _, err := r.conn.ReadMsgUnix(p, space[:unix.CmsgSpace(4*maxFiles)])
	if err != nil {
		return max(n, 0), err
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	if extra > 0 {
		err = r.keep(space[:extra])
	}
	if flags&unix.MSG_CTRUNC != 0 || len(r.files) > maxAhead {
		err = errors.Join(err, fmt.Errorf("%w: more than %d descriptors", errFrame, maxFiles))
	}
	return n, err
}

func (r *rights) keep(extra []byte) error {
	messages, err := unix.ParseSocketControlMessage(extra)
	for i := range messages {
		fds, bad := unix.ParseUnixRights(&messages[i])
		r.files, err = append(r.files, fds...), errors.Join(err, bad)
	}
	return err
}

// take gives the descriptors of the request that was read last; the receiver closes them.
func (r *rights) take(n int) []int {
	n = min(max(n, 0), len(r.files), maxFiles)
	taken := r.files[:n:n]
	r.files = r.files[n:]
	return taken
}

// close closes what nobody has taken.
func (r *rights) close() {
	closeFiles(r.files)
	r.files = nil
}

func closeFiles(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// writeFrame sends a frame with descriptors.
func writeFrame(conn net.Conn, frame []byte, files []int) error {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok || len(files) == 0 {
		_, err := conn.Write(frame)
		return err
	}
	n, _, err := unixConn.WriteMsgUnix(frame, unix.UnixRights(files...), nil)
	if err != nil {
		return err
	}
	_, err = conn.Write(frame[n:])
	return err
}
