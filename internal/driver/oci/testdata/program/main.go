// Program is what the tests of the oci driver run in containers: the suite's program, with words of its own.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver/drivertest"
	"github.com/maitred/maitred/internal/driver/oci"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		os.Exit(oci.InitMain(os.Args[2:], os.Stderr))
	}
	drivertest.Main()
	os.Exit(drivertest.Act(drivertest.Acts{
		"list": list, "status": status, "ids": ids, "hostname": hostname, "namespaces": namespaces, "raw": raw, "keyctl": keyctl,
		"tty": tty, "orphan": orphan, "device": device, "bomb": bomb, "forward": forward,
	}, os.Args[1:]))
}

// list PATH writes the names in a directory.
func list(words []string) error {
	entries, err := os.ReadDir(words[0])
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	return err
}

// status PREFIX … writes the lines of /proc/self/status that begin so.
func status(prefixes []string) error {
	text, err := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
			fmt.Print(line)
		}
	}
	return err
}

// ids writes the user, the group and the further groups.
func ids([]string) error {
	groups, err := os.Getgroups()
	slices.Sort(groups)
	fmt.Println(os.Getuid(), os.Getgid(), groups)
	return err
}

func hostname([]string) error {
	name, err := os.Hostname()
	fmt.Println(name)
	return err
}

// namespaces NAME … writes what these namespaces of the process are.
func namespaces(names []string) error {
	for _, name := range names {
		link, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			return err
		}
		fmt.Println(link)
	}
	return nil
}

// raw opens a raw socket, which is forbidden.
func raw([]string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// keyctl asks the kernel for a key, which is forbidden.
func keyctl([]string) error {
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	return err
}

// tty says whether standard output is a terminal.
func tty([]string) error {
	size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
	if err == nil {
		fmt.Println("terminal", size.Col >= 0, os.Getenv("TERM"))
	}
	return err
}

// orphan says who the init process is, to whom zombies are left.
func orphan([]string) error {
	text, err := os.ReadFile("/proc/1/cmdline")
	fmt.Println(strings.ReplaceAll(string(text), "\x00", " "))
	return err
}

// device PATH reads one byte of a device.
func device(words []string) error {
	f, err := os.Open(words[0])
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Read(make([]byte, 1))
	return err
}

// bomb N starts that many processes until it is refused.
func bomb(words []string) error {
	n, _ := strconv.Atoi(words[0])
	for i := range n {
		if _, err := syscall.ForkExec("/program", []string{"/program", "sleep"}, nil); err != nil {
			fmt.Println("refused after", i > 10)
			return nil
		}
	}
	return errors.New("not refused")
}

// forward says which signal came.
func forward([]string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("ready")
	fmt.Println(<-signals)
	return nil
}
