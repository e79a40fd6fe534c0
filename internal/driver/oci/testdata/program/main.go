// Program is what the tests of the oci driver run in containers: the suite's program, with words of its own.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	os.Exit(run(os.Args[1:]))
}

func run(words []string) int {
	if len(words) > 0 {
		if act := acts()[words[0]]; act != nil {
			if err := act(words[1:]); err != nil {
				fmt.Println(err)
				return 1
			}
			return 0
		}
	}
	return drivertest.Program(words)
}

// acts are words that do one thing and end.
func acts() map[string]func([]string) error {
	return map[string]func([]string) error{
		// read PATH … writes files to standard output
		"read": func(paths []string) error {
			for _, path := range paths {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				_, _ = os.Stdout.Write(text)
			}
			return nil
		},
		// write PATH TEXT
		"write": func(words []string) error { return os.WriteFile(words[0], []byte(words[1]), 0o600) },
		// list PATH writes the names in a directory
		"list": func(words []string) error {
			entries, err := os.ReadDir(words[0])
			for _, e := range entries {
				fmt.Println(e.Name())
			}
			return err
		},
		// status PREFIX … writes the lines of /proc/self/status that begin so
		"status": func(prefixes []string) error {
			text, err := os.ReadFile("/proc/self/status")
			for line := range strings.Lines(string(text)) {
				if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
					fmt.Print(line)
				}
			}
			return err
		},
		// ids writes the user, the group and the further groups
		"ids": func([]string) error {
			groups, err := os.Getgroups()
			slices.Sort(groups)
			fmt.Println(os.Getuid(), os.Getgid(), groups)
			return err
		},
		"hostname": func([]string) error {
			name, err := os.Hostname()
			fmt.Println(name)
			return err
		},
		// namespaces writes the names of this process's namespaces
		"namespaces": func(names []string) error {
			for _, name := range names {
				link, err := os.Readlink("/proc/self/ns/" + name)
				if err != nil {
					return err
				}
				fmt.Println(link)
			}
			return nil
		},
		"processes": processes,
		// eat N takes that many MiB and keeps them
		"eat": eat,
		// raw opens a raw socket, keyctl asks the kernel for a key: both are forbidden
		"raw": func([]string) error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
			if err == nil {
				_ = unix.Close(fd)
			}
			return err
		},
		"keyctl": func([]string) error {
			_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
			return err
		},
		// terminal says whether standard output is one
		"tty": func([]string) error {
			size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
			if err == nil {
				fmt.Println("terminal", size.Col >= 0, os.Getenv("TERM"))
			}
			return err
		},
		// orphan leaves a zombie to whoever is the init process, and says who that is
		"orphan": func([]string) error {
			text, err := os.ReadFile("/proc/1/cmdline")
			fmt.Println(strings.ReplaceAll(string(text), "\x00", " "))
			return err
		},
		// device PATH reads one byte of a device
		"device": func(words []string) error {
			f, err := os.Open(words[0])
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.Read(make([]byte, 1))
			return err
		},
		// bomb N starts that many threads of processes until it is refused
		"bomb": func(words []string) error {
			n, _ := strconv.Atoi(words[0])
			for i := range n {
				if _, err := syscall.ForkExec("/program", []string{"/program", "sleep"}, nil); err != nil {
					fmt.Println("refused after", i > 10)
					return nil
				}
			}
			return errors.New("not refused")
		},
		// serve PORT answers every HTTP request; get URL asks
		"serve": func(words []string) error {
			listener, err := net.Listen("tcp", ":"+words[0])
			if err != nil {
				return err
			}
			fmt.Println("ready")
			return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
		},
		"get": func(words []string) error {
			answer, err := http.Get(words[0])
			if err == nil {
				_, err = io.Copy(os.Stdout, answer.Body)
			}
			return err
		},
		// forward says which signal came
		"forward": func([]string) error {
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, syscall.SIGTERM)
			fmt.Println("ready")
			fmt.Println(<-signals)
			return nil
		},
	}
}

// processes writes the pids and names of all that it sees.
func processes([]string) error {
	entries, err := os.ReadDir("/proc")
	for _, e := range entries {
		name, err := os.ReadFile("/proc/" + e.Name() + "/comm")
		if _, failed := strconv.Atoi(e.Name()); failed == nil && err == nil {
			fmt.Print(e.Name(), " ", string(name))
		}
	}
	return err
}

func eat(words []string) error {
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	memory := make([]byte, n<<20)
	for i := 0; i < len(memory); i += 1024 {
		memory[i] = 1
	}
	fmt.Println("full")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	<-signals
	return fmt.Errorf("%d", memory[0])
}
