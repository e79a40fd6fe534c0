package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

// client is the flag --endpoint of verbs that ask a running server.
type client struct{ endpoint string }

func (c *client) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.endpoint, "endpoint", defaultEndpoint(), "URL of the API (default also from AWS_ENDPOINT_URL)")
}

// url is where to ask.
func (c *client) url(cmd *cobra.Command) string {
	if url, ok := os.LookupEnv("AWS_ENDPOINT_URL"); ok && !cmd.Flags().Changed("endpoint") {
		return strings.TrimSuffix(url, "/")
	}
	return strings.TrimSuffix(c.endpoint, "/")
}

func newExec(p *cli.Printer) *cobra.Command {
	var c client
	command := daemon.Command{}
	interactive := false
	cmd := &cobra.Command{
		Use:   "exec TASK|SERVICE [flags] -- COMMAND [ARGUMENT…]",
		Short: "Run a command in a container of a running task",
		Long: "Run a command in a container of a running task, beside its program. Give the task's ARN, id or the beginning\n" +
			"of it, or a service's name for its newest task. The command's exit code becomes that of maitred.\n\n" +
			"  maitred exec web -it -- /bin/sh\n" +
			"  maitred exec web -- cat /etc/hosts",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || cmd.ArgsLenAtDash() > 1 || cmd.ArgsLenAtDash() == 0 {
				return cli.Usagef("exec takes a task and a command: maitred exec TASK -- COMMAND; see `%s --help`", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			command.Task, command.Words = args[0], args[1:]
			command.Chosen = func(task, container, service string) {
				p.Note("task %s of service %s, container %s", shortID(task), shortID(service), container)
			}
			if interactive {
				command.Stdin = os.Stdin
			}
			return runCommand(cmd.Context(), c.url(cmd), command)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&command.Container, "container", "c", "", "name of the container (default: the only one)")
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "pass standard input on")
	cmd.Flags().BoolVarP(&command.Terminal, "tty", "t", false, "give the command a terminal")
	return cmd
}

func shortID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// runCommand runs a command with this process's streams.
func runCommand(ctx context.Context, endpoint string, c daemon.Command) (err error) {
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	ctx, cancel := context.WithCancel(ctx)
	var sizes sync.WaitGroup
	defer sizes.Wait()
	defer cancel()
	if c.Terminal {
		restore, err := ownTerminal(ctx, &c, &sizes)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, restore()) }()
	}
	code, err := daemon.Exec(ctx, endpoint, c)
	if err == nil && code != 0 {
		err = &cli.ExitError{Code: code}
	}
	return err
}

// ownTerminal makes the terminal of this process that of the command, until it is restored.
func ownTerminal(ctx context.Context, c *daemon.Command, work *sync.WaitGroup) (restore func() error, err error) {
	restore = func() error { return nil }
	if c.Stdin != nil {
		if !cli.IsTerminal(os.Stdin) {
			return nil, cli.Usagef("-t: the input is not a terminal; leave out -t to pass it on as it is")
		}
		if restore, err = cli.Raw(os.Stdin); err != nil {
			return nil, err
		}
	}
	if cli.IsTerminal(os.Stdout) {
		resize := make(chan daemon.TerminalSize, 1)
		work.Go(func() {
			cli.Sizes(ctx, os.Stdout, func(columns, rows uint16) {
				newest(resize, daemon.TerminalSize{Columns: columns, Rows: rows})
			})
		})
		c.Size, c.Resize = <-resize, resize
	}
	return restore, nil
}

// newest puts a value into a channel that has room for one, in place of one that nobody has taken.
func newest[T any](to chan T, v T) {
	select {
	case <-to:
	default:
	}
	to <- v
}
