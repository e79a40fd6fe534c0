package e2e

import (
	"context"
	"os/exec"
	"strconv"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestBoto3 has boto3's waiters and paginators of all services at work: what they wait for comes, and pages have no gaps.
func TestBoto3(t *testing.T) {
	t.Parallel()
	python := testneeds.Optional(t, "python3")
	if out, err := exec.Command(python, "-c", "import boto3").CombinedOutput(); err != nil {
		testneeds.Without(t, "boto3, in %s (%v: %s)", python, err, oneLine(out))
	}
	p := up(t, stateDir(t), "--example", "web")
	ctx, enough := context.WithTimeout(t.Context(), 2*patience)
	defer enough()
	cmd := exec.CommandContext(ctx, python, "testdata/boto3_story.py", strconv.Itoa(testneeds.Port(t)))
	cmd.Env = newCLI(t, p.api).env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nmaitred said:\n%s", err, out, p.output())
	}
	t.Logf("%s", out)
}
