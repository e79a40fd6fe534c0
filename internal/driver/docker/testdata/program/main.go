// Program is what the tests of the Docker driver run in containers: the suite's program, with words of its own.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver/drivertest"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(words []string) int {
	switch {
	case len(words) == 2 && words[0] == "serve":
		return serve(words[1])
	case len(words) == 2 && words[0] == "eat":
		return eat(words[1])
	case len(words) == 1 && words[0] == "interfaces":
		all, _ := net.Interfaces()
		for _, i := range all {
			fmt.Println(i.Name)
		}
		return 0
	}
	if len(words) > 0 {
		if act := acts()[words[0]]; act != nil {
			return report(act(words[1:]))
		}
	}
	return drivertest.Program(words)
}

func report(err error) int {
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
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
		// long N writes a line of so many letters, and one of three
		"long": func(words []string) error {
			n, err := strconv.Atoi(words[0])
			fmt.Println(strings.Repeat("x", n) + "\nend")
			return err
		},
		// get URL
		"get": func(words []string) error {
			answer, err := http.Get(words[0])
			if err != nil {
				return err
			}
			_, err = io.Copy(os.Stdout, answer.Body)
			return err
		},
		// wide writes the size of the terminal, again whenever it changes, until it is 99 columns wide
		"wide": func([]string) error {
			changed := make(chan os.Signal, 1)
			signal.Notify(changed, syscall.SIGWINCH)
			for {
				size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
				if err != nil {
					return err
				}
				fmt.Println(size.Col, size.Row)
				if size.Col == 99 {
					return nil
				}
				<-changed
			}
		},
		// processes writes the pids and names of all that it sees
		"processes": func([]string) error {
			entries, err := os.ReadDir("/proc")
			for _, e := range entries {
				name, err := os.ReadFile("/proc/" + e.Name() + "/comm")
				if _, failed := strconv.Atoi(e.Name()); failed == nil && err == nil {
					fmt.Print(e.Name(), " ", string(name))
				}
			}
			return err
		},
		"mac": func([]string) error {
			eth, err := net.InterfaceByName("eth0")
			if err != nil {
				return err
			}
			addresses, err := eth.Addrs()
			fmt.Println(eth.HardwareAddr, addresses)
			return err
		},
	}
}

// serve answers every HTTP request with a greeting.
func serve(port string) int {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	greet := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello from a container") }
	fmt.Fprintln(os.Stderr, http.Serve(listener, http.HandlerFunc(greet)))
	return 1
}

// eat takes that many MiB and keeps them.
func eat(mebibytes string) int {
	n, err := strconv.Atoi(mebibytes)
	if err != nil {
		return 64
	}
	memory := make([]byte, n<<20)
	for i := 0; i < len(memory); i += 1024 {
		memory[i] = 1
	}
	fmt.Println("full")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	<-signals
	return int(memory[0])
}
