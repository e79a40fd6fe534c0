package agent

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/agent/ports"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// Config is what an agent is made of. Store, Driver and Machine are needed; zero values of the rest stand for the
// defaults.
type Config struct {
	// Store holds at least the machine's scope.
	Store  *store.Store
	Driver driver.Driver
	// Machine describes the machine, see package host, and what its operator allows. The agent fills in when it was there.
	Machine model.Machine
	// Dir is where the agent keeps what it must know after a restart. Without one, host ports that were chosen are
	// known again only if the store was told of them.
	Dir string
	Log *slog.Logger

	Lifecycle lifecycle.Options
	Ports     ports.Config
	// AddressRest is how long an address of a task's own rests before another task gets it; default a minute.
	AddressRest time.Duration
	// Prepare completes what is to be started with what has to be fetched: secrets, environment files, credentials. It is
	// called before each start of a container. An error that is a *driver.Failure ends the container as not started, after
	// any other it is tried again. Nil fetches nothing.
	Prepare func(context.Context, *model.Task, *model.TaskDefinition, *driver.Spec) error
	// BindAddress is the address that published ports are bound to; default 127.0.0.1.
	BindAddress string
	// HostNetwork says that the driver's containers listen in the machine's own network, so that they are told their
	// host ports (see lifecycle.Spec).
	HostNetwork bool

	// Starts, Stops and Checks bound the driver's calls at a time; defaults 8, twice the cores but at least 8, and four
	// times the cores but at least 16.
	Starts, Stops, Checks int
	// Heartbeat is the time between two signs of life; default 10 s.
	Heartbeat time.Duration
	// KeepStopped is how many stopped tasks' containers, with their logs, the driver keeps at most; default 500. Those
	// of a task whose record is deleted go at once.
	KeepStopped int
	// SampleEvery is the time between two measurements of what containers use; default 1 s, negative for never. They are
	// made at the multiples of it.
	SampleEvery time.Duration
	// Readings takes what the tasks used in the time before each measurement; nil: nobody wants it. It must not block.
	Readings func(reading.Frame)
	// Now is the clock; default time.Now.
	Now func() time.Time
	// NewTimer makes a timer of that clock; default: one of the machine's.
	NewTimer func() Timer
}

// The bounds of single calls.
const (
	callTimeout  = 15 * time.Second // of a signal, a kill, a removal, a list
	writeTimeout = 10 * time.Second // of a commit
	flushTimeout = 2 * time.Second  // of the last commit
)

// guardCalls bounds how many tasks' firewall rules are changed at a time.
const guardCalls = 4

func (c *Config) fill() error {
	switch {
	case c.Store == nil || c.Driver == nil:
		return errors.New("agent: Config needs a Store and a Driver")
	case c.Machine.ID == "":
		return errors.New("agent: Config needs a Machine with an ID")
	case c.Store.Scope().Machine != "" && c.Store.Scope().Machine != c.Machine.ID:
		return errors.New("agent: the store's scope is that of another machine")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Lifecycle == (lifecycle.Options{}) {
		c.Lifecycle = lifecycle.DefaultOptions()
	}
	cores := runtime.NumCPU()
	positive(&c.Starts, 8)
	positive(&c.Stops, max(2*cores, 8))
	positive(&c.Checks, max(4*cores, 16))
	positive(&c.KeepStopped, 500)
	positive(&c.Heartbeat, 10*time.Second)
	if c.SampleEvery == 0 {
		c.SampleEvery = time.Second
	}
	if c.BindAddress == "" {
		c.BindAddress = "127.0.0.1"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewTimer == nil {
		c.NewTimer = func() Timer { return newRealTimer(c.Now) }
	}
	return nil
}

func positive[N int | time.Duration](n *N, otherwise N) {
	if *n <= 0 {
		*n = otherwise
	}
}
