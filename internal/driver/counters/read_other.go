//go:build !linux

package counters

import (
	"strconv"

	"github.com/maitred/maitred/internal/driver"
)

// Namespaces are those of Linux: here there are none.
type Namespaces struct{}

// NewNamespaces begins a measurement.
func NewNamespaces() *Namespaces { return &Namespaces{} }

// NamespaceOf gives "".
func NamespaceOf(string) string { return "" }

// Of gives nil.
func (*Namespaces) Of(string, string) *driver.Network { return nil }

// Unified gives nil.
func Unified(string) *driver.Disk { return nil }

// Blkio gives nil.
func Blkio(string) *driver.Disk { return nil }

// PID is a process id as these functions take it.
func PID(pid int) string { return strconv.Itoa(pid) }
