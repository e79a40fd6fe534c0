package keeper

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// shrink gives back the pages of the program itself that starting it has touched: the keeper is a small part of a large
// binary, whose parts all initialise themselves. What it goes on to use comes back from the page cache, where it is
// anyway for the other processes of this program. Only mappings that cannot be written are touched, so nothing is lost.
func shrink() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(maps) {
		var start, end uintptr
		var may, offset, device, inode, path string
		if n, _ := fmt.Sscanf(string(line), "%x-%x %s %s %s %s %s", &start, &end, &may, &offset, &device, &inode, &path); n < 7 {
			continue // not of a file
		}
		if path != program || (may != "r-xp" && may != "r--p") {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give back the pages at %x: %w", start, errno)
		}
	}
	return nil
}
