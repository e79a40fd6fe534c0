package metadata_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/metadata"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address := "172.31.0.10"
	path := w.variables(taskOne, address, wellKnown())["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
	full := w.variables(taskOne, address, other())
	token := func(value string) http.Header { return http.Header{"Authorization": {value}} }
	tests := []struct {
		name string
		request
		want int
	}{
		{"by the relative URI", request{path: path}, http.StatusOK},
		{"from another task", request{path: path, from: "172.31.0.11"}, http.StatusBadRequest},
		{"forwarded", request{path: path, header: http.Header{"X-Forwarded-For": {"1.1.1.1"}}}, http.StatusForbidden},
		{"elsewhere, with no token", request{path: path, door: other()}, http.StatusForbidden},
		{"elsewhere, with a wrong token", request{path: path, door: other(), header: token("x")}, http.StatusForbidden},
		{
			"by the full URI",
			request{
				path: full["AWS_CONTAINER_CREDENTIALS_FULL_URI"], door: other(),
				header: token(full["AWS_CONTAINER_AUTHORIZATION_TOKEN"]),
			},
			http.StatusOK,
		},
		{"no id", request{path: "/v2/credentials/"}, http.StatusNotFound},
	}
	for _, tt := range tests {
		status, body := ask(w.handler(), tt.request)
		if status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.want)
		}
		if (status == http.StatusOK) != strings.Contains(body, "SecretAccessKey") {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	_, body := ask(w.handler(), request{path: path})
	var c map[string]string
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	if c["RoleArn"] != role || !strings.HasPrefix(c["AccessKeyId"], "ASIA") || len(c["AccessKeyId"]) != 20 || len(c["SecretAccessKey"]) != 40 || c["Token"] == "" {
		t.Errorf("the credentials are %v, want them in the form of AWS's", c)
	}
	without := w.facts["11111111111111111111111111111111"]
	def := *without.Definition
	def.TaskRole, without.Definition = "", &def
	w.facts["11111111111111111111111111111111"] = without
	if status, body := ask(w.handler(), request{path: path}); status != http.StatusBadRequest {
		t.Errorf("of a task with no role: %d %s, want 400", status, body)
	}
}

// TestMint: credentials change every three hours, hold for three at least, and are another task's never.
func TestMint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.key.Mint(role, taskOne, start)
	if two := w.key.Mint(role, taskTwo, start); one.SecretAccessKey == two.SecretAccessKey || one.AccessKeyID == two.AccessKeyID {
		t.Error("two tasks have the same credentials")
	}
	for after := time.Duration(0); after < 12*time.Hour; after += 11 * time.Minute {
		now := start.Add(after)
		c := w.key.Mint(role, taskOne, now)
		if left := c.Expiration.Sub(now); left <= 3*time.Hour || left > 6*time.Hour {
			t.Errorf("after %v they hold for another %v", after, left)
		}
		if c.Expiration.Equal(one.Expiration) != (c.SecretAccessKey == one.SecretAccessKey) {
			t.Errorf("after %v they hold until %v and are %v", after, c.Expiration, c)
		}
	}
}

func TestRolesOfTheOperator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(text string) string {
		f, err := os.CreateTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	runs := filepath.Join(dir, "runs")
	until := start.Add(time.Hour)
	tests := []struct {
		name, source string
		want         metadata.Credentials
		wrong        string
	}{
		{
			"JSON as the endpoint's",
			file(`{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-03-04T06:06:07Z"}`),
			metadata.Credentials{RoleArn: role, AccessKeyID: "A", SecretAccessKey: "S", Token: "T", Expiration: until},
			"",
		},
		{
			"JSON as a credential_process's",
			file(`{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"T"}`),
			metadata.Credentials{RoleArn: role, AccessKeyID: "A", SecretAccessKey: "S", Token: "T", Expiration: start.Add(15 * time.Minute)},
			"",
		},
		{
			"profiles",
			file("# mine\n[work]\naws_access_key_id=W\naws_secret_access_key=X\n[default]\naws_access_key_id = A\naws_secret_access_key = S=\n"),
			metadata.Credentials{RoleArn: role, AccessKeyID: "A", SecretAccessKey: "S=", Expiration: start.Add(15 * time.Minute)},
			"",
		},
		{
			"a command", `exec:echo x >>` + runs + `; echo '{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-03-04T06:06:07Z"}'`,
			metadata.Credentials{RoleArn: role, AccessKeyID: "A", SecretAccessKey: "S", Token: "T", Expiration: until},
			"",
		},
		{"a file that is not there", filepath.Join(dir, "none"), metadata.Credentials{}, "none"},
		{"a command that fails", "exec:echo no luck >&2; exit 3", metadata.Credentials{}, "no luck"},
		{"no JSON", file(`{"AccessKeyId":`), metadata.Credentials{}, "no JSON object"},
		{"no secret", file(`{"AccessKeyId":"A"}`), metadata.Credentials{}, "missing"},
		{"over", file(`{"AccessKeyId":"A","SecretAccessKey":"hush","Expiration":"2026-03-04T05:06:07Z"}`), metadata.Credentials{}, "ended"},
		{"no profile default", file("[a]\nx=1\n[b]\ny=1\n"), metadata.Credentials{}, "profile default"},
		{"neither", file("hush"), metadata.Credentials{}, "neither JSON"},
		{"too long", file(strings.Repeat("#\n", 40000)), metadata.Credentials{}, "too long"},
	}
	for _, tt := range tests {
		roles, err := metadata.ParseRoles([]string{role + "=" + tt.source})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for range 2 {
			got, ok, err := roles.Find(t.Context(), role, start)
			if !ok {
				t.Errorf("%s: the role is not known", tt.name)
			}
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "hush")) {
				t.Errorf("%s: error %v, want one with %q and no secret", tt.name, err, tt.wrong)
			}
			if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	}
	if text, err := os.ReadFile(runs); err != nil || string(text) != "x\n" {
		t.Errorf("the command left %q, %v; want that it ran once for two who asked", text, err)
	}
}

func TestRolesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{
		{""},
		{"role"},
		{role},
		{role + "="},
		{role + "=exec:"},
		{"arn:aws:iam::1:user/x=f"},
		{"arn:aws:s3::1:role/x=f"},
		{role + "=a", role + "=b"},
	} {
		if _, err := metadata.ParseRoles(list); err == nil {
			t.Errorf("ParseRoles(%q) took it", list)
		}
	}
	roles, err := metadata.ParseRoles(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := roles.Find(t.Context(), role, start); ok || err != nil {
		t.Errorf("a role that nobody spoke of: %v, %v; want none", ok, err)
	}
}
