package drivertest

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// Acts are words for the test programs of single drivers. Each does one thing, and returns what to write before the program ends
// with 1.
type Acts map[string]func(words []string) error

// Act does what the first word says and gives the exit code. It knows the acts given and these; all other words are Program's.
//
//	read PATH …      write files to standard output
//	write PATH TEXT  write a file
//	processes        write the pids and names of all processes that can be seen
//	serve PORT       write ready, and answer every HTTP request with a greeting
//	get URL          write what is answered
//	eat N            take that many MiB, write full and keep them
func Act(acts Acts, words []string) int {
	all := Acts{"read": read, "write": write, "processes": seeProcesses, "serve": serve, "get": get, "eat": eat}
	maps.Copy(all, acts)
	if len(words) == 0 || all[words[0]] == nil {
		return Program(words)
	}
	if err := all[words[0]](words[1:]); err != nil {
		fmt.Fprintln(os.Stdout, err)
		return 1
	}
	return 0
}

func read(paths []string) error {
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, _ = os.Stdout.Write(text)
	}
	return nil
}

func write(words []string) error { return os.WriteFile(words[0], []byte(words[1]), 0o600) }

func seeProcesses([]string) error {
	entries, err := os.ReadDir("/proc")
	for _, e := range entries {
		name, err := os.ReadFile("/proc/" + e.Name() + "/comm")
		if _, failed := strconv.Atoi(e.Name()); failed == nil && err == nil {
			fmt.Fprint(os.Stdout, e.Name(), " ", string(name))
		}
	}
	return err
}

func serve(words []string) error {
	listener, err := net.Listen("tcp", ":"+words[0]) //nolint:noctx // it listens until it is killed
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "ready")
	greet := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello from a container") }
	return http.Serve(listener, http.HandlerFunc(greet)) //nolint:gosec // a test's own
}

func get(words []string) error {
	answer, err := http.Get(words[0]) //nolint:noctx,gosec // a test's own
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(os.Stdout, answer.Body)
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
	fmt.Fprintln(os.Stdout, "full")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	<-signals
	return fmt.Errorf("%d", memory[0])
}
