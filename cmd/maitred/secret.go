package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

func newSecret(p *cli.Printer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Store the secrets that task definitions name by valueFrom",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretSet(p), newSecretList(p), newSecretRemove(), newSecretRekey(p))
	return cmd
}

// secretClient is the flags of the verbs of secrets.
type secretClient struct {
	client
	region string
}

func (c *secretClient) flags(cmd *cobra.Command) {
	c.client.flags(cmd)
	cmd.Flags().StringVar(&c.region, "region", "", "region of the secret (default: the server's)")
}

func oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Usagef("%s takes one name; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

func newSecretSet(p *cli.Printer) *cobra.Command {
	var c secretClient
	file := ""
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Store a value, read from standard input or a file",
		Long: "Store a value under a name, in place of what it was before. The value is read from standard input, or from\n" +
			"--from-file; one line end at its end is left out. Tasks name it by valueFrom: NAME, or the ARN of a secret of\n" +
			"Secrets Manager or a parameter of Systems Manager with that name. Tasks that run keep the value that they have.\n\n" +
			"  printf %s \"$PASSWORD\" | maitred secret set prod/db",
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := readValue(p, file)
			if err != nil {
				return err
			}
			return daemon.SetSecret(cmd.Context(), c.url(cmd), c.region, args[0], value)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&file, "from-file", "", "read the value from this file")
	return cmd
}

// readValue reads a value without the line end that editors and shells add.
func readValue(p *cli.Printer, file string) ([]byte, error) {
	var value []byte
	var err error
	switch {
	case file != "":
		value, err = os.ReadFile(file)
	case cli.IsTerminal(os.Stdin):
		p.Note("Type the value (it is not shown), then Return.")
		value, err = cli.ReadHidden(os.Stdin)
	default:
		value, err = io.ReadAll(os.Stdin)
	}
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r")), nil
}

func newSecretList(p *cli.Printer) *cobra.Command {
	var c secretClient
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the names and ages of the secrets; values are never shown",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := daemon.Secrets(cmd.Context(), c.url(cmd), c.region)
			if err != nil {
				return err
			}
			p.JSON(asJSON)
			return p.Value(list, func() string {
				rows := [][]string{{"NAME", "CREATED", "CHANGED"}}
				for _, s := range list {
					rows = append(rows, []string{s.Name, s.CreatedAt.Local().Format(time.DateTime), s.ChangedAt.Local().Format(time.DateTime)})
				}
				return p.Table(rows)
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func newSecretRemove() *cobra.Command {
	var c secretClient
	cmd := &cobra.Command{
		Use:   "rm NAME",
		Short: "Forget a secret; tasks that name it can no longer start",
		Args:  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return daemon.DeleteSecret(cmd.Context(), c.url(cmd), c.region, args[0])
		},
	}
	c.flags(cmd)
	return cmd
}

func newSecretRekey(p *cli.Printer) *cobra.Command {
	var c client
	cmd := &cobra.Command{
		Use:   "rekey",
		Short: "Seal all secrets with a new key; agents on other machines then need the new key file",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := daemon.RekeySecrets(cmd.Context(), c.url(cmd))
			if err != nil {
				return err
			}
			p.Linef("%d secrets are sealed with a new key.", n)
			return nil
		},
	}
	c.flags(cmd)
	return cmd
}
