package keeper

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// inDir calls a function with a short name of a directory. A socket's path is limited to 107 bytes, which directories
// of tests and of users often exceed.
func inDir(dir string, do func(short string) error) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { _ = unix.Close(fd) }()
	return do("/proc/self/fd/" + strconv.Itoa(fd))
}

// dial connects to the socket of a keeper's directory.
func dial(ctx context.Context, dir string) (conn net.Conn, err error) {
	err = inDir(dir, func(short string) error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", filepath.Join(short, socketName))
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// peerUID tells which user is at the other end.
func peerUID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		return 0, e
	}
	if err != nil {
		return 0, err
	}
	return int(peer.Uid), nil
}

// closeInherited closes what the starter of the keeper's starter left open by mistake, so that the keeper does not hold
// it for ever and containers do not inherit it. What the Go runtime opened is closed on execution and so stays.
func closeInherited(announce bool) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= 2 || (announce && fd == readyFD) {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	if announce {
		unix.CloseOnExec(readyFD)
	}
}
