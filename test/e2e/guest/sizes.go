package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// sizes prints the size of its terminal, at first and whenever it changes, until Ctrl-C.
func sizes([]string) error {
	came := make(chan os.Signal, 16)
	signal.Notify(came, syscall.SIGWINCH, syscall.SIGINT)
	last := ""
	for {
		columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
		if err != nil {
			return err
		}
		if now := fmt.Sprintf("%dx%d", columns, rows); now != last && columns > 0 {
			fmt.Println(now)
			last = now
		}
		if <-came == syscall.SIGINT {
			fmt.Println("interrupted")
			os.Exit(9)
		}
	}
}
