package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

func newTop(p *cli.Printer) *cobra.Command {
	endpoint := defaultEndpoint()
	asJSON, once := false, false
	service, ask := "", daemon.TopRequest{}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show live what runs: services, their tasks, machines, load and health",
		Long: "Show live what runs, as busy and as healthy as it is: services, with enter their tasks, with m the machines. s sorts\n" +
			"by another column, / shows only what has a text in it, ? lists the keys, q ends it. Without a terminal, with --once or\n" +
			"with --json it is written once.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url, ok := os.LookupEnv("AWS_ENDPOINT_URL"); ok && !cmd.Flags().Changed("endpoint") {
				endpoint = url
			}
			endpoint = strings.TrimSuffix(endpoint, "/")
			ctx := cmd.Context()
			first, err := daemon.Top(ctx, endpoint, ask)
			if err == nil && service != "" {
				if ask.Service, err = first.Find(service); err == nil {
					first, err = daemon.Top(ctx, endpoint, ask)
				}
			}
			if err != nil {
				return err
			}
			if live := cli.Interactive() && !once && !asJSON; live {
				return p.Top(ctx, func(ctx context.Context, in daemon.TopRequest) (daemon.Snapshot, error) {
					return daemon.Top(ctx, endpoint, in)
				}, first)
			}
			p.JSON(asJSON)
			return p.Value(first, func() string { return p.TopTable(&first, ask) })
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", endpoint, "URL of the API (default also from AWS_ENDPOINT_URL)")
	cmd.Flags().BoolVar(&once, "once", false, "write one table and end")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one snapshot as JSON and end")
	cmd.Flags().StringVar(&service, "service", "", "with --once or --json: the tasks of a service, given by ARN, NAME or CLUSTER/NAME")
	cmd.Flags().BoolVar(&ask.Machines, "machines", false, "with --once or --json: the machines")
	return cmd
}
