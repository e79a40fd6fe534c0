package lb

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// FuzzLine hears what another balancer says, in large pieces and byte by byte: it is the same, up to where it is not
// understood.
func FuzzLine(f *testing.F) {
	for _, s := range []string{
		`{"done":true}` + "\n", `{"drained":"a","at":"2026-01-02T03:04:05Z"}` + "\n" + `{"waits":"b"}` + "\n", "\n", "{}\n{", "null\n",
		`{"network":"tcp","address":"127.0.0.1:80"}` + "\n", `{"lock":true}` + "\n", `{"done":1}` + "\n" + `{"done":true}` + "\n",
		`{"waits":"` + string(bytes.Repeat([]byte("x"), lineMax)) + `"}` + "\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 2*lineMax {
			return
		}
		whole, pieces := hear(t, raw, 4<<10), hear(t, raw, 1)
		if len(whole) != len(pieces) {
			t.Fatalf("%q says %+v, and byte by byte %+v", raw, whole, pieces)
		}
		for i, m := range whole {
			if m != pieces[i] {
				t.Errorf("%q says %+v, and byte by byte %+v", raw, m, pieces[i])
			}
		}
	})
}

// hear gives what is said in pieces of a size, up to what cannot be understood.
func hear(t *testing.T, raw []byte, size int) (all []message) {
	t.Helper()
	from, to := pair(t)
	l := &line{conn: to}
	defer l.close()
	go func() { // ends with raw, or with l
		defer func() { _ = from.Close() }()
		for len(raw) > 0 {
			n := min(size, len(raw))
			if _, err := from.Write(raw[:n]); err != nil {
				return
			}
			raw = raw[n:]
		}
	}()
	for {
		m, file, err := l.receive()
		if err != nil {
			return all
		}
		if file != nil {
			t.Errorf("%q comes with a file", raw)
		}
		m.At = m.At.UTC().Round(0)
		all = append(all, m)
	}
}

// pair gives the two ends of a line, which keeps apart what is written in pieces.
func pair(t *testing.T) (one, other *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]*net.UnixConn, len(fds))
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "a line")
		c, err := net.FileConn(f)
		_ = f.Close()
		end, ok := c.(*net.UnixConn)
		if err != nil || !ok {
			t.Fatalf("%T, %v", c, err)
		}
		_ = end.SetDeadline(time.Now().Add(20 * time.Second))
		ends[i] = end
	}
	return ends[0], ends[1]
}
