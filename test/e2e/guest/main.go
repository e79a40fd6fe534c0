// Command guest is what runs in the containers of the end-to-end tests: one static program, alone in its image.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	verb, args := "serve", []string{}
	if len(os.Args) > 1 {
		verb, args = os.Args[1], os.Args[2:]
	}
	verbs := map[string]func([]string) error{
		"write": write, "serve": serve, "fetch": fetch, "say": say, "exit": exit, "ask": ask,
		"web": web, "tally": tally, "stubborn": stubborn, "told": told, "variable": variable, "sizes": sizes,
	}
	do, ok := verbs[verb]
	if !ok {
		fmt.Fprintln(os.Stderr, "guest: unknown verb", verb)
		os.Exit(64)
	}
	if err := do(args); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// write makes a file: FILE TEXT….
func write(args []string) error {
	if err := os.MkdirAll(filepath.Dir(args[0]), 0o755); err != nil {
		return err
	}
	return os.WriteFile(args[0], []byte(strings.Join(args[1:], " ")), 0o644)
}

// say prints its arguments.
func say(args []string) error {
	_, err := fmt.Println(strings.Join(args, " "))
	return err
}

// variable prints the value of a variable of its environment.
func variable(args []string) error { return say([]string{os.Getenv(args[0])}) }

// ask prints what it reads, with the size of its terminal if it has one.
func ask([]string) error {
	text, err := io.ReadAll(os.Stdin)
	fmt.Printf("you said %s\n", strings.TrimSpace(string(text)))
	return err
}

// exit ends with a code.
func exit(args []string) error {
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

// fetch asks a URL until it answers, then prints the answer; with a further argument it goes on living.
func fetch(args []string) error {
	client := http.Client{Timeout: 2 * time.Second}
	for try := 0; ; try++ {
		answer, err := client.Get(args[0]) //nolint:noctx // it has a time limit
		if err == nil {
			text, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			fmt.Printf("fetched %s\n", strings.ReplaceAll(string(text), "\n", " "))
			if err != nil || len(args) == 1 {
				return err
			}
			return untilSignal()
		}
		if len(args) == 1 || try == 20 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func untilSignal() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}

// serve answers on port 8080 what it can see from inside: the variable SECRET, the file that is named by FILE, whether
// its root can be written to, and what its metadata endpoint says of its task.
func serve([]string) error {
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		file, _ := os.ReadFile(os.Getenv("FILE"))
		root := "read-only"
		if err := os.WriteFile("/probe", nil, 0o600); err == nil {
			root = "writable"
		}
		fmt.Fprintf(w, "secret=%s\nfile=%s\nroot=%s\nuid=%d\n", os.Getenv("SECRET"), file, root, os.Getuid())
	})
	http.HandleFunc("GET /metadata", func(w http.ResponseWriter, _ *http.Request) {
		answer, err := http.Get(os.Getenv("ECS_CONTAINER_METADATA_URI_V4") + "/task") //nolint:noctx // a test's own
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		_, _ = io.Copy(w, answer.Body)
	})
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	go func() {
		_ = untilSignal()
		fmt.Println("asked to stop")
		_ = server.Close()
	}()
	fmt.Println("serving")
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}
