package oci

import (
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// allCapabilities stands for all of them in add and drop.
const allCapabilities = "ALL"

// capabilityNames are Linux's capabilities in the order of their numbers.
func capabilityNames() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
		"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
		"CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
		"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
		"CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
		"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
	}
}

// defaultCapabilities are Docker's fourteen without four that programs rarely need and escapes often used: NET_RAW,
// MKNOD, AUDIT_WRITE and SETFCAP. linuxParameters.capabilities.add gives them back.
func defaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
		"CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
	}
}

// capabilities are those of a container, as Docker combines them: what is added wins over ALL that is dropped, what is
// dropped over ALL that is added. All are those that this process could give, as bits by their numbers.
func capabilities(c *model.ContainerDefinition, could uint64) []string {
	var all []string
	for number, name := range capabilityNames() {
		if could&(1<<number) != 0 {
			all = append(all, name)
		}
	}
	if c.Privileged {
		return all
	}
	var add, drop []string
	if c.Linux != nil {
		add, drop = canonical(c.Linux.Add), canonical(c.Linux.Drop)
	}
	base := defaultCapabilities()
	switch {
	case slices.Contains(add, allCapabilities):
		base = all
	case slices.Contains(drop, allCapabilities):
		base = nil
	}
	var caps []string
	for _, name := range all {
		added := slices.Contains(add, name)
		if added || slices.Contains(base, name) && !slices.Contains(drop, name) {
			caps = append(caps, name)
		}
	}
	return caps
}

func canonical(names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		out = append(out, capability(name))
	}
	return out
}

// maskedPaths are what a container must not see: they tell of the machine, or change it. They are those of Docker's
// default.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
		"/sys/firmware",
	}
}

// readonlyPaths are what a container may read, likewise.
func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}
