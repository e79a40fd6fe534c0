//go:build !linux

package docker

import "errors"

// killExec cannot be done here: the containers run in a virtual machine.
func killExec(int, string) error {
	return errors.New("Docker's processes are not this machine's")
}
