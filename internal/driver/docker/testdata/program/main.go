// Program is what the tests of the Docker driver run in containers: the suite's program, with words of its own.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver/drivertest"
)

func main() {
	os.Exit(drivertest.Act(drivertest.Acts{"interfaces": interfaces, "long": long, "wide": wide, "mac": mac}, os.Args[1:]))
}

// interfaces writes the names of all network interfaces.
func interfaces([]string) error {
	all, err := net.Interfaces()
	for _, i := range all {
		fmt.Println(i.Name)
	}
	return err
}

// long N writes a line of so many letters, and one of three.
func long(words []string) error {
	n, err := strconv.Atoi(words[0])
	fmt.Println(strings.Repeat("x", n) + "\nend")
	return err
}

// wide writes the size of the terminal, again whenever it changes, until it is 99 columns wide.
func wide([]string) error {
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
}

// mac writes the hardware address of eth0, and its addresses.
func mac([]string) error {
	eth, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	addresses, err := eth.Addrs()
	fmt.Println(eth.HardwareAddr, addresses)
	return err
}
