package maitredtest

import (
	"fmt"
	"regexp"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Option says how a server differs from the usual one: a single machine of 64 cores and 256 GiB, in the region
// us-east-1.
type Option func(*config)

type config struct {
	machines []Machine
	region   string
	timings  string
	now      time.Time
}

// Machine is a machine on which tasks run. It is a container instance of every cluster.
type Machine struct {
	CPU    int    // units, 1024 to a core; default 65536
	Memory int    // MiB; default 262144
	Zone   string // availability zone; default the region's zone a
}

// Machines gives the server these machines instead of the single one; without any, tasks find no place.
func Machines(list ...Machine) Option {
	return func(c *config) { c.machines = append([]Machine{}, list...) }
}

// Region is that of requests that name none.
func Region(name string) Option { return func(c *config) { c.region = name } }

// Timings chooses the delays that AWS chose for itself and that no member of its API sets: "ecs" are AWS's values,
// "fast", the default, those of a maitred on a laptop. `maitred timings` lists both.
func Timings(name string) Option { return func(c *config) { c.timings = name } }

// Clock is the time at which the server starts; the default is 2030-01-01 00:00 UTC.
func Clock(start time.Time) Option { return func(c *config) { c.now = start.UTC() } }

func defaults() config {
	return config{
		machines: []Machine{{}}, region: "us-east-1", timings: "fast", now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func configure(options []Option) (c config, timings model.Timings, err error) {
	c = defaults()
	for _, o := range options {
		o(&c)
	}
	timings, ok := model.TimingsByName(c.timings)
	if !ok {
		return c, timings, fmt.Errorf("Timings(%q): it is fast or ecs", c.timings)
	}
	if !regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`).MatchString(c.region) {
		return c, timings, fmt.Errorf("Region(%q): a region looks like us-east-1", c.region)
	}
	for i, m := range c.machines {
		if m.CPU < 0 || m.Memory < 0 {
			return c, timings, fmt.Errorf("machine %d has %d CPU units and %d MiB: want none below 0", i, m.CPU, m.Memory)
		}
	}
	return c, timings, nil
}
