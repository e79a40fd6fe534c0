package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestTerraform takes examples/terraform through its life with the unmodified provider of AWS: what it makes is there and serves,
// a plan finds nothing to do, what is changed is changed in place, the desired count stays scaling's, and all goes at the end.
func TestTerraform(t *testing.T) {
	t.Parallel()
	tf := newTerraform(t)
	tf.run("apply", "-auto-approve")
	c := tf.cli
	state := []string{"describe-services", "--cluster", "terraform", "--services", "terraform", "--output", "text", "--query"}
	url := strings.TrimSpace(tf.run("output", "-raw", "url"))
	for path, want := range map[string]string{"": "hello from process", "old/page": "gone"} {
		if text, err := get(url + path); err != nil || !strings.Contains(text, want) {
			t.Errorf("GET %s: %q, %v", url+path, text, err)
		}
	}
	if got := c.ecs(append(state, "services[0].deployments[0].rolloutState")...); got != "COMPLETED" {
		t.Errorf("terraform waited for a steady state, and the rollout is %s", got)
	}
	tf.unchanged("after apply")

	tf.run("apply", "-auto-approve", "-var=desired_count=5", "-var=requests_per_task=900")
	if got := c.ecs(append(state, "services[0].desiredCount")...); got == "5" {
		t.Error("the desired count was not left to scaling")
	}
	resource := []string{"--service-namespace", "ecs", "--resource-id", "service/terraform/terraform", "--output", "text", "--query"}
	if got := c.aws(append([]string{"application-autoscaling", "describe-scaling-policies"}, append(resource,
		"ScalingPolicies[].TargetTrackingScalingPolicyConfiguration.TargetValue")...)...); got != "900" {
		t.Errorf("the target is %s, not the new one", got)
	}
	c.ecs("update-service", "--cluster", "terraform", "--service", "terraform", "--desired-count", "3") // as somebody may who is in a hurry
	tf.unchanged("after a change", "-var=desired_count=5", "-var=requests_per_task=900")

	tf.run("destroy", "-auto-approve")
	if got := tf.run("show"); !strings.Contains(got, "The state file is empty") {
		t.Errorf("after destroy there is:\n%s", got)
	}
	for _, left := range []struct{ query, want string }{
		{"elbv2 describe-load-balancers --query LoadBalancers[].LoadBalancerName", "web"}, // the example's
		{"elbv2 describe-target-groups --query TargetGroups[].TargetGroupName", "web"},
		{"cloudwatch describe-alarms --query MetricAlarms[].AlarmName", ""},
		{"application-autoscaling describe-scalable-targets --service-namespace ecs --query ScalableTargets[].ResourceId", ""},
		{"ecs describe-clusters --clusters terraform --query clusters[].status", "INACTIVE"},
	} {
		if got := c.aws(append(strings.Fields(left.query), "--output", "text")...); got != left.want {
			t.Errorf("aws %s: %q is left, want %q", left.query, got, left.want)
		}
	}
}

// terraform runs a copy of the example against a maitred.
type terraform struct {
	t    *testing.T
	path string
	dir  string
	env  []string
	cli  cli
	up   *process
}

// newTerraform skips the test, and says so, where there is no terraform, and where the provider is not to be had.
func newTerraform(t *testing.T) *terraform {
	t.Helper()
	tf := &terraform{t: t, path: testneeds.Optional(t, "terraform"), dir: t.TempDir()}
	text, err := os.ReadFile("../../examples/terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tf.dir, "main.tf"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	tf.up = up(t, stateDir(t), "--example", "web")
	eventually(t, "the example runs", func() bool { return strings.Contains(tf.up.output(), "Ctrl-C") })
	tf.cli = newCLI(t, tf.up.api)
	tf.env = slices.Concat(tf.cli.env, []string{"TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1", "TF_VAR_port=" + strconv.Itoa(testneeds.Port(t))})
	if config := tf.mirror(); config != "" {
		tf.env = append(tf.env, "TF_CLI_CONFIG_FILE="+config)
	}
	ctx, enough := context.WithTimeout(t.Context(), patience)
	defer enough()
	if out, err := tf.command(ctx, "init", "-no-color").CombinedOutput(); err != nil {
		testneeds.Without(t, "Terraform's provider of AWS, from its registry or below /opt (%v: %s)", err, oneLine(out))
	}
	return tf
}

// oneLine is what a program said, in a line that is not too long.
func oneLine(out []byte) string {
	const most = 300
	text := strings.Join(strings.Fields(string(out)), " ")
	return text[:min(len(text), most)]
}

// mirror is a configuration by which Terraform takes providers from a folder of this machine, where there is one; "" where not.
func (tf *terraform) mirror() string {
	found, _ := filepath.Glob("/opt/*/registry.terraform.io/hashicorp/aws")
	if len(found) == 0 {
		return ""
	}
	config := filepath.Join(tf.dir, "mirror.tfrc")
	folder := strings.TrimSuffix(found[0], "/registry.terraform.io/hashicorp/aws")
	text := "provider_installation {\n  filesystem_mirror {\n    path = \"" + folder + "\"\n  }\n}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		tf.t.Fatal(err)
	}
	return config
}

func (tf *terraform) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, tf.path, args...)
	cmd.Dir, cmd.Env = tf.dir, tf.env
	return cmd
}

// terraformTakes bounds one command: the provider waits in steps of ten seconds and more.
const terraformTakes = 8 * time.Minute

func (tf *terraform) run(verb string, args ...string) string {
	tf.t.Helper()
	ctx, enough := context.WithTimeout(tf.t.Context(), terraformTakes)
	defer enough()
	out, err := tf.command(ctx, append([]string{verb, "-no-color"}, args...)...).CombinedOutput()
	if err != nil {
		tf.t.Fatalf("terraform %s %s: %v\n%s\nmaitred said:\n%s", verb, strings.Join(args, " "), err, out, tf.up.output())
	}
	return string(out)
}

// unchanged wants a plan that finds nothing to do.
func (tf *terraform) unchanged(when string, args ...string) {
	tf.t.Helper()
	if out := tf.run("plan", args...); !strings.Contains(out, "No changes.") {
		tf.t.Errorf("%s a plan is not empty:\n%s", when, out)
	}
}
