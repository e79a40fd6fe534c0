package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

func newLogs(p *cli.Printer) *cobra.Command {
	var c client
	in := daemon.LogRequest{Tail: -1}
	since := ""
	asJSON, times := false, false
	cmd := &cobra.Command{
		Use:   "logs SERVICE|TASK[/CONTAINER]",
		Short: "Show what the containers of a service or a task write",
		Long: "Show what the containers of a service or a task wrote, in the order of time. Give a service's name (NAME or\n" +
			"CLUSTER/NAME), a task's id or the beginning of it, or an ARN, and perhaps a container's name behind a slash.\n" +
			"With -f it goes on with what they write from now on, those too that are started later.\n\n" +
			"  maitred logs web -f --since 10m\n" +
			"  maitred logs 3f2a/app --tail 100",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return cli.Usagef("logs takes one service or task; see `%s --help`", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.Since, err = sinceTime(since, time.Now()); err != nil {
				return err
			}
			in.Of = args[0]
			p.JSON(asJSON)
			return printLogs(cmd, c.url(cmd), in, p.NewLogPrinter(oneContainer(in.Of), times))
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVarP(&in.Follow, "follow", "f", false, "go on with what is written from now on")
	cmd.Flags().StringVar(&since, "since", "", "not before: a duration back from now, as 10m, or a time, as 2026-03-01T12:00:00Z")
	cmd.Flags().IntVar(&in.Tail, "tail", -1, "show so many of the last lines that there are; -1 for all")
	cmd.Flags().BoolVarP(&times, "timestamps", "t", false, "show when each line was written")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// printLogs prints until there is no more, or somebody presses Ctrl-C.
func printLogs(cmd *cobra.Command, endpoint string, in daemon.LogRequest, to *cli.LogPrinter) error {
	for line, err := range daemon.Logs(cmd.Context(), endpoint, in) {
		if err == nil {
			err = to.Print(cli.LogLine{
				At: line.At, Task: line.Task, Container: line.Container, Stream: line.Stream, Text: line.Text, Note: line.Note,
			})
		}
		if err != nil {
			if in.Follow && cmd.Context().Err() != nil {
				return nil
			}
			return err
		}
	}
	return nil
}

// oneContainer says whether a reference surely means one container of one task: TASK/CONTAINER.
func oneContainer(ref string) bool {
	task, container, ok := strings.Cut(ref, "/")
	if !ok || container == "" || strings.Contains(container, "/") || len(task) < 4 {
		return false
	}
	return strings.Trim(task, "0123456789abcdef") == ""
}

// sinceTime reads --since: a time, or how long ago.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, cli.Usagef("%w", errors.New("--since "+text+": it is a duration, as 10m or 1h30m, or a time, as 2026-03-01T12:00:00Z"))
	}
	return at, nil
}
