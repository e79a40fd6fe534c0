package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// web is a web server behind a load balancer. It listens on PORT (8080 without it) of ADDRESS (all without it), answers
// who it is in headers, and the body of a request with the same; /healthz is well (see illness), and /hold answers after as many
// milliseconds as its query says, unless the client gives up. /ws is a WebSocket that sends back what it gets. On SIGTERM it finishes what it has in hand.
func web([]string) error {
	asked, done := make(chan struct{}), make(chan error, 1)
	server := &http.Server{
		Addr: os.Getenv("ADDRESS") + ":" + cmp.Or(os.Getenv("PORT"), "8080"), Handler: webHandler(), ReadHeaderTimeout: 5 * time.Second,
	}
	go func() {
		_ = untilSignal()
		close(asked)
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- server.Shutdown(end)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	<-asked
	return <-done
}

func webHandler() http.Handler {
	me, mux := rand.Text(), http.NewServeMux()
	tell := func(w http.ResponseWriter) {
		w.Header().Set("X-Version", os.Getenv("VERSION"))
		w.Header().Set("X-Process", me)
		w.Header().Set("X-Port", os.Getenv("PORT"))
	}
	mux.HandleFunc("GET /healthz", illness())
	mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.URL.RawQuery)
		over := time.NewTimer(time.Duration(ms) * time.Millisecond)
		defer over.Stop()
		select {
		case <-over.C:
		case <-r.Context().Done():
		}
		tell(w)
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		tell(w)
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for err == nil {
			var kind websocket.MessageType
			var text []byte
			if kind, text, err = c.Read(context.Background()); err == nil {
				err = c.Write(context.Background(), kind, text)
			}
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		tell(w)
		_, _ = w.Write(body)
	})
	return mux
}

// illness is a health check that fails as long as the file SICK is there, as if something was away that all tasks need. Whoever
// had it and lost it does not get well again; whoever was started meanwhile does.
func illness() http.HandlerFunc {
	var lost atomic.Bool
	sick := func() bool {
		_, err := os.Stat(os.Getenv("SICK"))
		return err == nil
	}
	had := !sick()
	return func(w http.ResponseWriter, _ *http.Request) {
		ill := sick()
		if ill && had {
			lost.Store(true)
		}
		if ill || lost.Load() {
			http.Error(w, "what I need is away", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	}
}
