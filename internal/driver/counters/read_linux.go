package counters

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/maitred/maitred/internal/driver"
)

// Namespaces reads what went through network namespaces, each once, however many containers share it. It is made anew for
// each measurement.
type Namespaces struct {
	own   string // this machine's
	known map[string]*driver.Network
}

// NewNamespaces begins a measurement.
func NewNamespaces() *Namespaces {
	return &Namespaces{own: NamespaceOf("self"), known: map[string]*driver.Network{}}
}

// NamespaceOf names the network namespace of a process, "" if it is gone or hidden.
func NamespaceOf(pid string) string {
	name, err := os.Readlink("/proc/" + pid + "/ns/net")
	if err != nil {
		return ""
	}
	return name
}

// Of is what went through the network of a process, by its pid; nil if nobody knows, or if the network is the machine's: that
// is not counted for a task. The process is that of a container as long as it is in the namespace expected; "" is any.
func (n *Namespaces) Of(pid, expected string) *driver.Network {
	name := NamespaceOf(pid)
	if name == "" || name == n.own || n.own == "" || expected != "" && name != expected {
		return nil
	}
	if known, ok := n.known[name]; ok {
		return known
	}
	n.known[name] = nil
	text, err := os.ReadFile("/proc/" + pid + "/net/dev")
	if err != nil {
		return nil // it has just ended
	}
	counted, err := ParseNet(text)
	if err != nil || counted == nil || NamespaceOf(pid) != name {
		return nil
	}
	counted.Namespace = name
	n.known[name] = counted
	return counted
}

// Unified is what a cgroup of version 2 read and wrote; nil where the kernel does not count it.
func Unified(dir string) *driver.Disk { return read(filepath.Join(dir, "io.stat"), ParseIOStat) }

// Blkio is what a cgroup of version 1 read and wrote, by its directory of the controller blkio; "" for none.
func Blkio(dir string) *driver.Disk {
	if dir == "" {
		return nil
	}
	return read(filepath.Join(dir, "blkio.throttle.io_service_bytes_recursive"), ParseBlkio)
}

func read(path string, parse func([]byte) (driver.Disk, error)) *driver.Disk {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	d, err := parse(text)
	if err != nil {
		return nil
	}
	return &d
}

// PID is a process id as these functions take it.
func PID(pid int) string { return strconv.Itoa(pid) }
