// Command bench measures maitred from outside against what the machine itself can do. Floor and ours alternate within
// one run, because machines and their neighbours change from minute to minute: only figures of one run may be compared.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/maitred/maitred/internal/daemon"
)

// options are the command line.
type options struct {
	run     string
	n       int
	json    bool
	dir     string
	binary  string
	poll    time.Duration
	split   bool
	profile string
	turns   int
	loads   string
	replay  time.Duration
	back    time.Duration
	drivers string
}

// measurement is a part of the suite.
type measurement struct {
	name string
	run  func(context.Context, *world) error
}

// suite is the measurements by name, in the order in which they are made.
func suite() []measurement {
	return []measurement{
		{"up", up},
		{"api", writes},
		{"deploy", deploys},
		{"kill", kills},
		{"idle", idle},
		{"containers", containers},
		{"proxy", proxies},
		{"churn", churns},
		{"scaling", scalings},
	}
}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "keeper": // the process driver starts this program as its keeper when it runs in it
			os.Exit(daemon.Keeper(os.Args[2:], os.Stderr))
		case childEtcd, childUp, childBackend:
			exit(child(os.Args[1:]))
		}
	}
	var o options
	flag.StringVar(&o.run, "run", "up,api,deploy,kill,idle", "what to measure; containers, which needs root, runc and a Docker daemon, proxy, which wants nginx and haproxy, churn, and scaling, which takes minutes, are not among them unless they are named")
	flag.IntVar(&o.n, "n", 5, "how often: of deploy and up; 5 times as many kills, 50 times as many writes")
	flag.BoolVar(&o.json, "json", false, "write JSON")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where data directories are made: a disk that is like the one to be used")
	flag.StringVar(&o.binary, "maitred", "", "a maitred to measure instead of building the one of this tree")
	flag.DurationVar(&o.poll, "poll", time.Millisecond, "pause between two looks at the API; 5 times as long while many tasks start")
	flag.BoolVar(&o.split, "split", false, "measure `maitred server` and `maitred agent` instead of `maitred up`")
	flag.StringVar(&o.profile, "profile", "", "run maitred inside a child of this program, and write CPU and heap profiles with this `prefix`")
	flag.IntVar(&o.turns, "turns", 3, "how many turns of each load proxies take, at most; fewer if -n is less")
	flag.StringVar(&o.loads, "loads", "", "only the loads of proxies whose names match this regular `expression`, as \"HTTP, 64\" or \"100 MiB\"")
	flag.DurationVar(&o.replay, "replay", 0, "with -run scaling: let load come for so long, and compare what `maitred what-if` makes of it")
	flag.DurationVar(&o.back, "back", 10*time.Minute, "with -run scaling: wait so long at most until a service is back at its fewest tasks after the last step")
	flag.StringVar(&o.drivers, "drivers", "process,oci", "with -run scaling: by which drivers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(bench(ctx, o, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench makes the measurements and prints them.
func bench(ctx context.Context, o options, out io.Writer) error {
	wanted := strings.Split(o.run, ",")
	known := suite()
	for _, name := range wanted {
		if !slices.ContainsFunc(known, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("-run %s: there is no measurement %q", o.run, name)
		}
	}
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = w.close() }() // what is left there is in a directory of its own
	for _, m := range known {
		if !slices.Contains(wanted, m.name) {
			continue
		}
		if err := m.run(ctx, w); err != nil {
			// What was measured until then took minutes, and is as true as before.
			return errors.Join(fmt.Errorf("%s: %w", m.name, err), w.report().write(out))
		}
	}
	if o.json {
		return json.NewEncoder(out).Encode(w.report())
	}
	return w.report().write(out)
}

// report is everything that was measured.
type report struct {
	Date    time.Time `json:"date"`
	Cores   int       `json:"cores"`
	Load    string    `json:"loadBefore"` // of the machine, as /proc/loadavg has it
	Fsync   samples   `json:"fsyncSeconds"`
	Figures []*figure `json:"figures"`
	Notes   []string  `json:"notes"`
}

func (w *world) report() *report {
	return &report{Date: w.began, Cores: runtime.NumCPU(), Load: w.load, Fsync: w.fsyncs, Figures: w.figures, Notes: w.notes}
}

func (r *report) write(out io.Writer) error {
	fmt.Fprintf(out, "%s, %d cores, load before %s, fsync p50 %s (n=%d)\n\n", r.Date.Format(time.RFC3339), r.Cores, r.Load,
		format(r.Fsync.median(), seconds), len(r.Fsync))
	fmt.Fprintln(out, "| figure | floor | ours | ours/floor | goal | gate | n |")
	fmt.Fprintln(out, "| --- | --- | --- | --- | --- | --- | --- |")
	for _, f := range r.Figures {
		fmt.Fprintln(out, f.row())
	}
	for _, note := range r.Notes {
		fmt.Fprintln(out, "\n"+note)
	}
	return nil
}
