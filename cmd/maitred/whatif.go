package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

// whatIfFlags are the flags of `maitred what-if`.
type whatIfFlags struct {
	ask                              daemon.WhatIfQuestion
	endpoint, policy, traffic, chart string
	min, max, tasks                  int
	capacity, idle                   float64
	start, patience                  time.Duration
	asJSON                           bool
}

func newWhatIf(p *cli.Printer) *cobra.Command {
	f := &whatIfFlags{endpoint: defaultEndpoint()}
	cmd := &cobra.Command{
		Use:   "what-if --service NAME --policy FILE --traffic last-24h|FILE",
		Short: "Tell what another scaling policy would have done with recorded or given load",
		Long: "Let load pass through maitred's own scaler in virtual time, once with today's policy and once with a new one, and\n" +
			"compare. --policy is JSON as for `aws application-autoscaling put-scaling-policy --cli-input-json`, or a list of\n" +
			"such; it replaces all policies of the service. --traffic is last-24h, last-7d and so on, or a CSV file with lines\n" +
			"of time,requests_per_second (RFC 3339 or seconds). Nothing of the service is changed.\n\n" +
			"How tasks serve is a model; what it is and how wrong it may be is told with the answer.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url, ok := os.LookupEnv("AWS_ENDPOINT_URL"); ok && !cmd.Flags().Changed("endpoint") {
				f.endpoint = url
			}
			if err := f.read(cmd.Flags()); err != nil {
				return err
			}
			return f.run(cmd, p)
		},
	}
	f.declare(cmd.Flags())
	return cmd
}

func (f *whatIfFlags) declare(flags *pflag.FlagSet) {
	flags.StringVar(&f.ask.Service, "service", "", "name of the service (NAME, CLUSTER/NAME or ARN)")
	flags.StringVar(&f.policy, "policy", "", "file with the new policy, or policies")
	flags.StringVar(&f.traffic, "traffic", "last-24h", "recorded load (last-24h, last-7d), or a CSV file")
	flags.IntVar(&f.min, "min", 0, "new minimum capacity")
	flags.IntVar(&f.max, "max", 0, "new maximum capacity")
	flags.IntVar(&f.tasks, "tasks", 0, "how many tasks there are at the beginning (default as recorded, or as now)")
	flags.Float64Var(&f.capacity, "capacity", 0, "requests per second that one task can do (default by recorded CPU and requests)")
	flags.Float64Var(&f.idle, "idle", 0, "percent of CPU that an idle task uses (default likewise)")
	flags.DurationVar(&f.start, "start", 0, "time until a task serves (default as measured of the service's tasks, or 2s)")
	flags.DurationVar(&f.patience, "patience", 0, "time that requests wait for before they are lost (default 1m; 0: for ever)")
	flags.Uint64Var(&f.ask.Seed, "seed", 1, "choose other random arrivals, where the load is known by the minute")
	flags.StringVar(&f.chart, "chart", "", "write a chart to this file, as SVG")
	flags.StringVar(&f.endpoint, "endpoint", f.endpoint, "URL of the API (default also from AWS_ENDPOINT_URL)")
	flags.BoolVar(&f.asJSON, "json", false, "write JSON")
}

// read makes the question of the flags and the files that they name.
func (f *whatIfFlags) read(flags *pflag.FlagSet) error {
	if f.ask.Service == "" {
		return cli.Usagef("--service says of which service; see `maitred what-if --help`")
	}
	if f.policy == "" && !flags.Changed("min") && !flags.Changed("max") {
		return cli.Usagef("say what is to change: --policy, --min or --max; see `maitred what-if --help`")
	}
	if f.policy != "" {
		text, err := os.ReadFile(f.policy)
		if err != nil {
			return fmt.Errorf("read the policy: %w", err)
		}
		if !json.Valid(text) {
			return fmt.Errorf("%s is not JSON", f.policy)
		}
		f.ask.Policy = text
	}
	if strings.HasPrefix(f.traffic, "last-") {
		f.ask.Traffic = f.traffic
	} else {
		text, err := os.ReadFile(f.traffic)
		if err != nil {
			return fmt.Errorf("read the traffic (last-24h, or a file): %w", err)
		}
		f.ask.Load = string(text)
	}
	given(flags, "min", &f.min, &f.ask.Min)
	given(flags, "max", &f.max, &f.ask.Max)
	given(flags, "tasks", &f.tasks, &f.ask.Tasks)
	given(flags, "capacity", &f.capacity, &f.ask.Capacity)
	given(flags, "idle", &f.idle, &f.ask.Idle)
	given(flags, "start", &f.start, &f.ask.Start)
	given(flags, "patience", &f.patience, &f.ask.Patience)
	return nil
}

// given sets a value if its flag was.
func given[V any](flags *pflag.FlagSet, name string, value *V, to **V) {
	if flags.Changed(name) {
		*to = value
	}
}

func (f *whatIfFlags) run(cmd *cobra.Command, p *cli.Printer) error {
	report, err := daemon.WhatIf(cmd.Context(), strings.TrimSuffix(f.endpoint, "/"), f.ask)
	if err != nil {
		return err
	}
	if f.chart != "" {
		if err := writeChart(f.chart, func(to *os.File) error { return cli.WhatIfSVG(report, to) }); err != nil {
			return fmt.Errorf("write the chart: %w", err)
		}
		p.Note("the chart is in %s", f.chart)
	}
	p.JSON(f.asJSON)
	return p.Value(report, func() string { return p.WhatIf(report, cli.Columns(os.Stdout)) })
}

func writeChart(path string, write func(*os.File) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close() // the first error tells
		return err
	}
	return file.Close()
}
