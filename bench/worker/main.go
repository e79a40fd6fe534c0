// Command worker is what the benchmarks of scaling run: a web server that says who it is, and that keeps a processor busy
// for as long as it is asked to. It listens on PORT (8080 without it) of ADDRESS (all without it).
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		os.Exit(1)
	}
}

// serve serves until it is asked to end.
func serve() error {
	me := rand.Text()
	server := &http.Server{
		Addr: os.Getenv("ADDRESS") + ":" + cmp.Or(os.Getenv("PORT"), "8080"), ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if micros, err := strconv.Atoi(r.URL.Query().Get("busy")); err == nil {
				busy(time.Duration(micros) * time.Microsecond)
			}
			w.Header().Set("X-Worker", me)
		}),
	}
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-asked.Done()
		_ = server.Shutdown(context.WithoutCancel(asked))
	}()
	return server.ListenAndServe()
}

// busy uses processor time: of this thread, and not time that others have.
func busy(d time.Duration) {
	var began, now syscall.Rusage
	const thread = 1 // RUSAGE_THREAD
	used := func(r *syscall.Rusage) time.Duration { return time.Duration(r.Utime.Nano() + r.Stime.Nano()) }
	if syscall.Getrusage(thread, &began) != nil {
		return
	}
	for used(&now)-used(&began) < d {
		for range 20_000 {
			now.Maxrss++
		}
		if syscall.Getrusage(thread, &now) != nil {
			return
		}
	}
}
