// Command web is the example service: a web server that tells who it is, so that one sees which task answered.
//
// It listens on $PORT (8080 without it) of $ADDRESS (all without it), answers GET / with its process and version, GET
// /healthz with ok, and POST /exit/CODE by ending with that exit code. On SIGTERM it finishes the requests in hand and ends with 0.
// As `web exit CODE` it serves nothing and ends with that exit code at once; as `web check` it asks the one that serves
// whether it is well, for a health check.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		os.Exit(other(os.Args[1:]))
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	if err := serve(log); err != nil {
		log.Error("the server ended", "error", err)
		os.Exit(1)
	}
}

// other does what is no serving, and gives its exit code.
func other(args []string) int {
	switch {
	case len(args) == 2 && args[0] == "exit":
		if code, err := strconv.Atoi(args[1]); err == nil {
			return code
		}
	case len(args) == 1 && args[0] == "check":
		if err := check(); err != nil {
			return 1
		}
		return 0
	}
	return 2
}

// check asks the server in the same container whether it is well.
func check() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port()+"/healthz", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

func port() string {
	if port := os.Getenv("PORT"); port != "" {
		return port
	}
	return "8080"
}

func serve(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	server := &http.Server{Addr: ":" + port(), Handler: handler(), ReadHeaderTimeout: 5 * time.Second}
	if address := os.Getenv("ADDRESS"); address != "" {
		server.Addr = address + ":" + port()
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Info("listening", "address", server.Addr)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("asked to stop")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(end); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "hello from process %d, version %s\n", os.Getpid(), version())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("POST /exit/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err != nil {
			http.Error(w, "the exit code is a number", http.StatusBadRequest)
			return
		}
		os.Exit(code)
	})
	return mux
}

func version() string {
	if v := os.Getenv("VERSION"); v != "" {
		return v
	}
	return "1"
}
