package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

func newCp(p *cli.Printer) *cobra.Command {
	var c client
	var copying daemon.Copying
	cmd := &cobra.Command{
		Use:   "cp TASK:PATH LOCAL | cp LOCAL TASK:PATH",
		Short: "Copy files between a container of a running task and this machine",
		Long: "Copy files between a container of a running task and this machine. Give the task as for `maitred exec`. With -\n" +
			"as LOCAL the files come or go as a tar archive, on standard input or output.\n\n" +
			"  maitred cp web:/etc/app.conf .\n" +
			"  maitred cp app.conf web:/etc/app.conf\n" +
			"  maitred cp web:/var/log - | tar t\n\n" +
			"As with `docker cp`: a directory that is there gets the source into it, under the source's name; with a source\n" +
			"that ends with /. it gets what is in that. What is not there is made, but not the directory above it. What begins\n" +
			"with / or . is LOCAL, whatever colons it has. Links in what is copied stay links, wherever they lead.\n\n" +
			"PATH is the container's, its volumes included, and begins at its root; no link in the container leads out of it.\n" +
			"With the process driver, a task has no root of its own: PATH is the machine's, relative to the task's working\n" +
			"directory, and is read and written as the user that the task runs as. Devices, pipes and sockets are not copied,\n" +
			"nor is what the kernel makes up in /proc and /sys, nor with the Docker driver a tmpfs.\n\n" +
			"Without -a, what is copied belongs to root in the container (with the process driver to the task's user), or to\n" +
			"you, and is neither setuid nor setgid.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("cp takes a source and a destination: maitred cp TASK:PATH LOCAL, or the other way round; see `%s --help`", cmd.CommandPath())
			}
			copying.From, copying.To = args[0], args[1]
			if err := copying.Validate(); err != nil {
				return cli.Usagef("%w; see `%s --help`", err, cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runCopy(cmd, p, c.url(cmd), copying) },
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&copying.Container, "container", "c", "", "name of the container (default: the only one)")
	cmd.Flags().BoolVarP(&copying.Follow, "follow-link", "L", false, "copy what the source leads to, if it is a symbolic link")
	cmd.Flags().BoolVarP(&copying.Owners, "archive", "a", false, "keep the uids and gids of the source")
	return cmd
}

// runCopy copies with this process's streams.
func runCopy(cmd *cobra.Command, p *cli.Printer, endpoint string, c daemon.Copying) error {
	if c.FromStream() && cli.IsTerminal(os.Stdin) {
		return cli.Usagef("the archive is read from standard input, which is a terminal")
	}
	if c.ToStream() && cli.IsTerminal(os.Stdout) {
		return cli.Usagef("the archive goes to standard output, which is a terminal")
	}
	c.Stdin, c.Stdout = os.Stdin, os.Stdout
	c.Chosen = func(task, container, service string) {
		p.Note("task %s of service %s, container %s", shortID(task), shortID(service), container)
	}
	progress := cli.NewProgress(os.Stderr)
	defer progress.End()
	c.Moved = progress.Add
	return daemon.Copy(cmd.Context(), endpoint, c)
}
