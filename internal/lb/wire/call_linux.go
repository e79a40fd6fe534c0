//go:build !race

package wire

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// transferred makes one call that does not wait (MSG_DONTWAIT), without the scheduler's knowledge.
func transferred(call, fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0) //nolint:gosec // as package syscall does
	return int(n), errno                                                                                                  //nolint:gosec // not more than the length
}
