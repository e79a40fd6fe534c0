// Command sleeper does nothing until it is killed. It is what the benchmarks run: the smallest program that Go makes.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}
