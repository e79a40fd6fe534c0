package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// tally notes in a file that it was started, says so, and lives until it is asked to stop: that the same task ran twice
// would show.
func tally([]string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM) // before anybody can know that it runs
	defer stop()
	file, err := os.OpenFile(os.Getenv("TALLY"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(file, "started"); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	fmt.Println("started")
	<-ctx.Done()
	return nil
}

// stubborn ignores SIGTERM and lives on.
func stubborn([]string) error {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("ready")
	for {
		time.Sleep(time.Hour)
	}
}

// told ends with the number of the first signal that comes: of SIGTERM and those that images ask for.
func told([]string) error {
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1)
	fmt.Println("ready")
	s := <-came
	fmt.Println("told", strings.ToLower(s.String()))
	os.Exit(int(s.(syscall.Signal)))
	return nil
}
