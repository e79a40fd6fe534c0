package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

// defaultEndpoint is where a server listens that is started in the same environment.
func defaultEndpoint() string {
	if listen := os.Getenv("MAITRED_LISTEN"); listen != "" {
		return "http://" + listen
	}
	return "http://" + daemon.Defaults().Listen
}

func newEnv(p *cli.Printer) *cobra.Command {
	endpoint, region := defaultEndpoint(), daemon.Defaults().Region
	cmd := &cobra.Command{
		Use:   "env",
		Short: `Print the variables that point AWS clients at maitred: eval "$(maitred env)"`,
		Args:  noArgs,
		Run: func(*cobra.Command, []string) {
			for _, line := range []string{
				"AWS_ENDPOINT_URL=" + endpoint, "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
				"AWS_ACCESS_KEY_ID=maitred", "AWS_SECRET_ACCESS_KEY=maitred", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
			} {
				p.Linef("export %s", line)
			}
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", endpoint, "URL of the API")
	cmd.Flags().StringVar(&region, "region", region, "region to ask for")
	return cmd
}

// shortStory is how many steps `maitred why` shows unless all are asked for.
const shortStory = 20

func newWhy(p *cli.Printer) *cobra.Command {
	endpoint := defaultEndpoint()
	asJSON, all := false, false
	cmd := &cobra.Command{
		Use:   "why ARN|ID|NAME",
		Short: "Tell why a task, a service, a deployment, an alarm or a scaling policy is as it is",
		Long: "Tell what happened to a task, a service, a deployment, an alarm or a scaling policy, newest first, and under each\n" +
			"event the chain of its causes, down to something outside: an API call, an exit, a health check, a measurement.\n" +
			"Of a service that is scaled it tells each decision with its numbers, and why nothing is scaled now. Give an ARN,\n" +
			"an id or its beginning, or a name (for a service NAME or CLUSTER/NAME).",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("why takes one ARN, id or name; see `%s --help`", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if url, ok := os.LookupEnv("AWS_ENDPOINT_URL"); ok && !cmd.Flags().Changed("endpoint") {
				endpoint = url
			}
			story, err := daemon.Why(cmd.Context(), strings.TrimSuffix(endpoint, "/"), args[0])
			if err != nil {
				return err
			}
			steps := shortStory
			if all {
				steps = len(story.Steps)
			}
			p.JSON(asJSON)
			return p.Value(story, func() string { return p.Story(story, steps) })
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", endpoint, "URL of the API (default also from AWS_ENDPOINT_URL)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().BoolVar(&all, "all", false, "show every step")
	return cmd
}

func newTimings(p *cli.Printer) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "timings",
		Short: "Print the delays that AWS chose for itself, and what --timings fast makes of them",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			rows := daemon.TimingTable()
			p.JSON(asJSON)
			return p.Value(rows, func() string {
				table := [][]string{{"NAME", "ECS", "FAST", "WHAT", "SOURCE"}}
				for _, r := range rows {
					table = append(table, []string{r.Name, short(r.ECS), short(r.Fast), r.What, r.Source})
				}
				return p.Table(table)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON (delays in nanoseconds)")
	return cmd
}

// short writes 6h0m0s as 6h.
func short(d time.Duration) string {
	s := d.String()
	if d < time.Minute {
		return s
	}
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		return strings.TrimSuffix(s, "0m")
	}
	if s == "" || strings.HasSuffix(s, "h") || strings.HasSuffix(s, "m") {
		return s
	}
	return d.String()
}

func newVersion(p *cli.Printer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		Run:   func(*cobra.Command, []string) { p.Linef("maitred %s", version) },
	}
}
