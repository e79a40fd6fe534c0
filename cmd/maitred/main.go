// Command maitred runs Amazon ECS services on your own machines.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

// version is set by the linker (Makefile).
var version = "dev"

func main() {
	// The keeper is the parent of all tasks of a machine, and an init process is in many containers: they must stay small
	// and start fast, and so go before all else.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "keeper":
			os.Exit(daemon.Keeper(os.Args[2:], os.Stderr))
		case "init":
			os.Exit(daemon.Init(os.Args[2:], os.Stderr))
		}
	}
	os.Exit(run(os.Args[1:]))
}

// run is a command line from its words to its exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := cli.New(os.Stdout, os.Stderr)
	root := newRoot(p, secondSignal(ctx))
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		p.Error(err)
	}
	return cli.Code(err)
}

// secondSignal is closed when somebody presses Ctrl-C again after the first one has ended ctx.
func secondSignal(ctx context.Context) <-chan struct{} {
	hurry := make(chan struct{})
	context.AfterFunc(ctx, func() {
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		<-again
		close(hurry)
	})
	return hurry
}

func newRoot(p *cli.Printer, hurry <-chan struct{}) *cobra.Command {
	root := &cobra.Command{
		Use:           "maitred",
		Short:         "Amazon ECS services on your own machines",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("there is no command %q; `maitred help` lists them", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Usagef("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) }
	root.AddCommand(newUp(p, hurry), newServer(p), newAgent(p), newLB(p, hurry), newEnv(p), newWhy(p), newWhatIf(p), newTop(p), newExec(p), newCp(p), newSecret(p), newLogs(p), newTimings(p), newOperations(p), newVersion(p))
	return root
}

// fromEnvironment sets the flags that are not given from variables: --data-dir from MAITRED_DATA_DIR.
func fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "MAITRED_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if !set || f.Changed || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", name, value, err))
		}
	})
	if err := errors.Join(errs...); err != nil {
		return cli.Usagef("%w", err)
	}
	return nil
}

// noArgs refuses words behind a verb that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usagef("%s takes no %q; see `%s --help`", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

// logger writes to standard error; debug says more.
func logger(debug bool) *slog.Logger {
	level := slog.LevelWarn
	if debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
