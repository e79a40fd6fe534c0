// Package counters reads what the kernel counts of containers beside processor time and memory: what went through a network
// namespace (/proc/PID/net/dev), and what a cgroup read and wrote on block devices (io.stat of version 2, blkio of version 1).
package counters

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/maitred/maitred/internal/driver"
)

// errFormat is a file of the kernel that is not what it was known to be.
var errFormat = errors.New("the kernel's counters are not in the form that is known")

// ParseNet adds up the interfaces in /proc/PID/net/dev, without the loopback interface: what goes through that stays in the
// namespace. Without any other one, it is nil.
func ParseNet(text []byte) (n *driver.Network, err error) {
	const received, sent, columns = 0, 8, 16
	for line := range bytes.Lines(text) {
		name, rest, found := bytes.Cut(line, []byte(":"))
		if !found || string(bytes.TrimSpace(name)) == "lo" {
			continue // the two lines of the head have no colon
		}
		field := bytes.Fields(rest)
		if len(field) < columns {
			return nil, fmt.Errorf("%w: %q", errFormat, line)
		}
		in, err1 := strconv.ParseInt(string(field[received]), 10, 64)
		out, err2 := strconv.ParseInt(string(field[sent]), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%w: %w", errFormat, err)
		}
		if n == nil {
			n = &driver.Network{}
		}
		n.Received, n.Sent = n.Received+in, n.Sent+out
	}
	return n, nil
}

// ParseIOStat adds up the devices in io.stat: lines MAJOR:MINOR rbytes=N wbytes=N …. A device that is made of others is counted
// beside them, as by `docker stats`.
func ParseIOStat(text []byte) (d driver.Disk, err error) {
	for line := range bytes.Lines(text) {
		for field := range bytes.FieldsSeq(line) {
			key, value, _ := bytes.Cut(field, []byte("="))
			to := &d.Read
			switch string(key) {
			case "rbytes":
			case "wbytes":
				to = &d.Written
			default:
				continue
			}
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return d, fmt.Errorf("%w: %w", errFormat, err)
			}
			*to += n
		}
	}
	return d, nil
}

// ParseBlkio adds up the devices in blkio.throttle.io_service_bytes: lines MAJOR:MINOR OPERATION N.
func ParseBlkio(text []byte) (d driver.Disk, err error) {
	for line := range bytes.Lines(text) {
		field := bytes.Fields(line)
		if len(field) != 3 {
			continue // the total
		}
		to := &d.Read
		switch string(field[1]) {
		case "Read":
		case "Write":
			to = &d.Written
		default:
			continue
		}
		n, err := strconv.ParseInt(string(field[2]), 10, 64)
		if err != nil {
			return d, fmt.Errorf("%w: %w", errFormat, err)
		}
		*to += n
	}
	return d, nil
}
