package host

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/procfs"
)

// memory is the machine's memory in MiB.
func memory() (int, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, fmt.Errorf("open /proc: %w", err)
	}
	info, err := proc.Meminfo()
	if err != nil {
		return 0, fmt.Errorf("read /proc/meminfo: %w", err)
	}
	if info.MemTotalBytes == nil {
		return 0, errors.New("/proc/meminfo has no MemTotal")
	}
	return int(*info.MemTotalBytes >> 20), nil
}

// bootID tells one boot of the machine from another, "" where that cannot be known.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
