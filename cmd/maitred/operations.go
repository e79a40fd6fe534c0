package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

func newOperations(p *cli.Printer) *cobra.Command {
	asJSON, markdown := false, false
	cmd := &cobra.Command{
		Use:   "operations",
		Short: "List the AWS API operations: supported, or refused with which error",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			apis := daemon.Operations()
			p.JSON(asJSON)
			return p.Value(apis, func() string {
				if markdown {
					return operationsMarkdown(apis)
				}
				return operationsTable(p, apis)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "write a Markdown table")
	return cmd
}

func operationsTable(p *cli.Printer, apis []daemon.API) string {
	rows := [][]string{{"API", "OPERATION", "STATUS", "ERROR"}}
	for _, api := range apis {
		for _, op := range api.Operations {
			rows = append(rows, []string{api.Name, op.Name, op.Status, op.Error})
		}
	}
	return p.Table(rows)
}

// operationsMarkdown is one row for each API: what it can do, and what it refuses.
func operationsMarkdown(apis []daemon.API) string {
	var b strings.Builder
	b.WriteString("| API | supported | refused with a clear error |\n|---|---|---|\n")
	for _, api := range apis {
		lists := map[bool][]string{}
		for _, op := range api.Operations {
			lists[op.Error == ""] = append(lists[op.Error == ""], op.Name)
		}
		fmt.Fprintf(&b, "| %s | **%d of %d**: %s | %s |\n", api.Name, len(lists[true]), len(api.Operations),
			strings.Join(lists[true], ", "), strings.Join(lists[false], ", "))
	}
	return b.String()
}
