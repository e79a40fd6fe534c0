// Program is what the tests of the Docker driver run in containers: the suite's program, with words of its own.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

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
	return drivertest.Program(words)
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
