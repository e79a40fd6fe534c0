package apitest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// CLI is the unmodified aws CLI pointed at a server. Make it with NewCLI.
type CLI struct {
	t       *testing.T
	path    string
	env     []string
	service string
	always  []string
}

// NewCLI is the aws CLI for a service by its name there; some arguments go with every operation. Without the CLI the test is
// skipped.
func NewCLI(t *testing.T, url, region, service string, always ...string) CLI {
	t.Helper()
	return CLI{t, testneeds.Command(t, "aws"), append(os.Environ(),
		"AWS_ENDPOINT_URL="+url, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=maitred",
		"AWS_SECRET_ACCESS_KEY=maitred", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null"), service, always}
}

// Try runs an operation and gives what it prints.
func (c CLI) Try(operation string, args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), c.path, slices.Concat([]string{c.service, operation}, c.always, args)...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Run is Try for what must succeed. A query, "" for none, picks what is given.
func (c CLI) Run(query, operation string, args ...string) string {
	c.t.Helper()
	if query != "" {
		args = append(slices.Clone(args), "--query", query, "--output", "text")
	}
	out, err := c.Try(operation, args...)
	if err != nil {
		c.t.Fatalf("aws %s %s %q: %v\n%s", c.service, operation, args, err, out)
	}
	return out
}

// Want fails the test unless the output is as expected.
func (c CLI) Want(want, query, operation string, args ...string) {
	c.t.Helper()
	if got := c.Run(query, operation, args...); got != want {
		c.t.Errorf("aws %s %s %q: got %q, want %q", c.service, operation, args, got, want)
	}
}
