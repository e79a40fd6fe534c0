package ecs

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// What a container may ask of the kernel, and of the names of other machines.

// checkSystem says what is wrong with what a container asks of the machine below.
func (d *definition) checkSystem(c container) string {
	for _, rule := range []func(container) string{
		checkCapabilities, checkDevices, checkTmpfs, d.checkSysctls, checkSecurityOptions, checkMounts, checkHosts,
	} {
		if problem := rule(c); problem != "" {
			return problem
		}
	}
	return ""
}

// capabilities are those that can be added and dropped ("KernelCapabilities").
func capabilities() []string {
	return []string{
		"ALL", "AUDIT_CONTROL", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID",
		"IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN",
		"NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT",
		"SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME",
		"SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM",
	}
}

func checkCapabilities(c container) string {
	l := c.LinuxParameters
	if l == nil || l.Capabilities == nil {
		return ""
	}
	known := capabilities()
	for _, list := range []struct {
		member string
		names  []string
	}{{"add", l.Capabilities.Add}, {"drop", l.Capabilities.Drop}} {
		member := "linuxParameters.capabilities." + list.member
		for _, name := range list.names {
			if !slices.Contains(known, name) {
				return c.invalid(member, "%s", oneOf("It", name, known))
			}
		}
	}
	return ""
}

func checkDevices(c container) string {
	if c.LinuxParameters == nil {
		return ""
	}
	const member = "linuxParameters.devices"
	for i, dev := range c.LinuxParameters.Devices {
		host, inside := aws.ToString(dev.HostPath), aws.ToString(dev.ContainerPath)
		switch {
		case !path.IsAbs(host):
			return c.invalid(member, "devices[%d].hostPath should be an absolute path, got %.200q.", i, host)
		case inside != "" && !path.IsAbs(inside):
			return c.invalid(member, "devices[%d].containerPath should be an absolute path, got %.200q.", i, inside)
		}
		for _, p := range dev.Permissions {
			if problem := required(fmt.Sprintf("devices[%d].permissions", i), p); problem != "" {
				return c.invalid(member, "%s", problem)
			}
		}
	}
	return ""
}

// tmpfsOptions are the mount options of a tmpfs; some take a value after = ("Tmpfs").
func tmpfsOptions() []string {
	return []string{
		"defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", "remount", "mand",
		"nomand", "atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "unbindable", "runbindable", "private", "rprivate",
		"shared", "rshared", "slave", "rslave", "relatime", "norelatime", "strictatime", "nostrictatime", "mode", "uid", "gid",
		"nr_inodes", "nr_blocks", "mpol",
	}
}

func checkTmpfs(c container) string {
	if c.LinuxParameters == nil {
		return ""
	}
	const member = "linuxParameters.tmpfs"
	for i, t := range c.LinuxParameters.Tmpfs {
		if p := aws.ToString(t.ContainerPath); !path.IsAbs(p) {
			return c.invalid(member, "tmpfs[%d].containerPath should be an absolute path, got %.200q.", i, p)
		} else if !mountable(p) {
			return c.invalid(member, "tmpfs[%d].containerPath: nothing can be mounted at %.200q.", i, p)
		}
		for _, option := range t.MountOptions {
			if name, _, _ := strings.Cut(option, "="); !slices.Contains(tmpfsOptions(), name) {
				return c.invalid(member, "%s", oneOf(fmt.Sprintf("tmpfs[%d].mountOptions", i), option, tmpfsOptions()))
			}
		}
	}
	return ""
}

// ipcSysctls are the kernel parameters of an IPC namespace, besides those below fs.mqueue ("SystemControl").
func ipcSysctls() []string {
	return []string{
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced",
	}
}

// checkSysctls lets containers set what is theirs: a parameter of the machine's own namespace would be everybody's.
func (d *definition) checkSysctls(c container) string {
	seen := map[string]bool{}
	for _, s := range c.SystemControls {
		name := aws.ToString(s.Namespace)
		net, ipc := strings.HasPrefix(name, "net."), strings.HasPrefix(name, "fs.mqueue.") || slices.Contains(ipcSysctls(), name)
		switch {
		case !net && !ipc:
			return c.invalid("systemControls", "The namespace should begin with net. or fs.mqueue., or be one of [%s]; got %.100q.",
				strings.Join(ipcSysctls(), ","), name)
		case net && d.NetworkMode == types.NetworkModeHost:
			return c.invalid("systemControls", "%s is not supported when networkMode=host: it is the machine's.", name)
		case ipc && d.IpcMode == types.IpcModeHost:
			return c.invalid("systemControls", "%s is not supported when ipcMode=host: it is the machine's.", name)
		case seen[name]:
			return c.invalid("systemControls", "%s is there twice.", name)
		}
		seen[name] = true
	}
	return ""
}

// securityOption is what dockerSecurityOptions may be made of ("ContainerDefinition").
var securityOption = regexp.MustCompile(`^(no-new-privileges(:true|:false)?|(apparmor|label|credentialspec):.+)$`)

func checkSecurityOptions(c container) string {
	for i, option := range c.DockerSecurityOptions {
		if !securityOption.MatchString(option) {
			return c.invalid("dockerSecurityOptions", "dockerSecurityOptions[%d] should be no-new-privileges, apparmor:PROFILE, "+
				"label:VALUE or credentialspec:PATH, got %.100q.", i, option)
		}
	}
	return ""
}

// checkMounts checks where volumes are mounted. Which volumes there are is another matter.
func checkMounts(c container) string {
	taken := map[string]bool{}
	for i, m := range c.MountPoints {
		at := aws.ToString(m.ContainerPath)
		if !path.IsAbs(at) {
			return c.invalid("mountPoints", "mountPoints[%d].containerPath should be an absolute path, got %.200q.", i, at)
		}
		if !mountable(at) {
			return c.invalid("mountPoints", "mountPoints[%d].containerPath: nothing can be mounted at %.200q.", i, at)
		}
		if at = path.Clean(at); taken[at] {
			return c.invalid("mountPoints", "mountPoints[%d].containerPath: something is mounted at %.200q already.", i, at)
		}
		taken[at] = true
	}
	return ""
}

// The forms of names. The kernel takes hostnames of at most 64 bytes.
var (
	hostnamePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)
	domainPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{0,253}[A-Za-z0-9.]$`)
)

// checkHosts checks the names that a container has and knows.
func checkHosts(c container) string {
	if name := aws.ToString(c.Hostname); name != "" && !hostnamePattern.MatchString(name) {
		return c.invalid("hostname", "1 to 64 letters, digits, hyphens, underscores and dots are allowed; got %.200q.", name)
	}
	for i, h := range c.ExtraHosts {
		name, address := aws.ToString(h.Hostname), aws.ToString(h.IpAddress)
		if !domainPattern.MatchString(name) {
			return c.invalid("extraHosts", "extraHosts[%d].hostname %.300q is not a name of a host.", i, name)
		}
		if !plainAddress(address) {
			return c.invalid("extraHosts", "extraHosts[%d].ipAddress should be an IP address, got %.100q.", i, address)
		}
	}
	for i, address := range c.DnsServers {
		if !plainAddress(address) {
			return c.invalid("dnsServers", "dnsServers[%d] should be an IP address, got %.100q.", i, address)
		}
	}
	for i, domain := range c.DnsSearchDomains {
		if !domainPattern.MatchString(domain) {
			return c.invalid("dnsSearchDomains", "dnsSearchDomains[%d] %.300q is not a domain.", i, domain)
		}
	}
	return ""
}

// plainAddress says whether a text is an IP address. The zone of an IPv6 address can be any text, lines included, and
// names an interface that a container knows nothing of.
func plainAddress(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == ""
}

// mountable says whether something can be mounted at a path of a container: its root and what is mounted below /proc by
// the runtime are no place for it.
func mountable(at string) bool {
	at = path.Clean(at)
	return at != "/" && at != "/proc" && !strings.HasPrefix(at, "/proc/") && !strings.ContainsAny(at, "\x00\n\r")
}
