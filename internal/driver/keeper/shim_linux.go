package keeper

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// shimVerb makes the binary a shim, see shim.
const shimVerb = "shim"

// The shim's descriptors beside the standard ones.
const (
	shimOrder  = 3 // a program, in JSON
	shimAnswer = 4 // why it could not be executed; closed by its execution
)

// shim sets resource limits and a user on itself and then becomes the program that it is told. It returns an exit code
// only if that fails.
func shim() int {
	unix.CloseOnExec(shimOrder)
	unix.CloseOnExec(shimAnswer)
	answer := os.NewFile(shimAnswer, "answer")
	var p program
	err := json.NewDecoder(os.NewFile(shimOrder, "order")).Decode(&p)
	if err == nil {
		err = p.become()
	}
	fmt.Fprint(answer, err)
	return 126
}

// become replaces this process by the program.
func (p *program) become() error {
	// Those of memory come last: they may leave nothing to set the others with.
	memory := []int{unix.RLIMIT_AS, unix.RLIMIT_DATA, unix.RLIMIT_STACK}
	last := func(l rlimit) int { return slices.Index(memory, l.Resource) }
	slices.SortStableFunc(p.Limits, func(a, b rlimit) int { return last(a) - last(b) })
	for _, l := range p.Limits {
		// By package syscall, which otherwise puts the file limit back that this process began with.
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
			return fmt.Errorf("ulimits: %s: %w", limitName(l.Resource), err)
		}
	}
	if p.Cred != nil {
		if err := p.Cred.become(); err != nil {
			return fmt.Errorf("user: %w", err)
		}
	}
	if err := syscall.Exec(p.Path, p.Argv, p.Env); err != nil {
		return fmt.Errorf("exec %q: %w", p.Argv[0], err)
	}
	return nil
}

// become makes this process run as a user.
func (c *cred) become() error {
	if err := syscall.Setgroups(c.Groups); err != nil {
		return err
	}
	if err := syscall.Setgid(c.GID); err != nil {
		return err
	}
	return syscall.Setuid(c.UID)
}

func limitName(resource int) string {
	for name, number := range resources() {
		if number == resource {
			return name
		}
	}
	return fmt.Sprint(resource)
}
