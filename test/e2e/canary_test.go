package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// canary is the value of a secret that is told to the container and to nobody else.
const canary = "c4n4ry-0f-4-s3cr3t"

// TestCanary gives a secret to a service and then looks for it in everything that maitred keeps and tells.
func TestCanary(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"process", "oci"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			if driver == "process" {
				sing(t, driver, filepath.Join(built.dir, "guest"))
				return
			}
			testneeds.Root(t)
			testneeds.Command(t, "runc")
			sing(t, driver, guestImage(t))
		})
	}
}

// sing is that story on a driver.
func sing(t *testing.T, driver, image string) {
	t.Helper()
	dir := stateDir(t)
	p := start(t, "up", "--data-dir", dir, "--listen", "127.0.0.1:0", "--driver", driver, "--debug")
	c := newCLI(t, p.api)
	if out, code := verb(t, p, canary+"\n", "secret", "set", "bird"); code != 0 || out != "" {
		t.Fatalf("maitred secret set = %d %q, want no word", code, out)
	}
	list, code := verb(t, p, "", "secret", "list", "--json")
	if code != 0 || !strings.Contains(list, "bird") {
		t.Errorf("maitred secret list = %d %s, want the name", code, list)
	}
	definition, err := json.Marshal([]object{{
		"name": "app", "image": image, "command": []string{"told"}, "cpu": 16, "memory": 32,
		"secrets": []object{{"name": "SECRET", "valueFrom": "bird"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.ecs("register-task-definition", "--family", "cage", "--execution-role-arn", "arn:aws:iam::123456789012:role/e",
		"--container-definitions", string(definition))
	c.ecs("create-service", "--service-name", "cage", "--task-definition", "cage", "--desired-count", "1")
	c.ecs("wait", "services-stable", "--services", "cage")
	task := c.ecs("list-tasks", "--service-name", "cage", "--query", "taskArns[0]", "--output", "text")

	told := map[string]string{
		"secret list":              list,
		"describe-task-definition": c.ecs("describe-task-definition", "--task-definition", "cage"),
		"describe-tasks":           c.ecs("describe-tasks", "--tasks", task, "--include", "TAGS"),
		"describe-services":        c.ecs("describe-services", "--services", "cage"),
	}
	for _, words := range [][]string{{"why", "cage"}, {"why", task}, {"logs", "cage"}} {
		out, code := verb(t, p, "", words...)
		if code != 0 {
			t.Errorf("maitred %s = %d %s", strings.Join(words, " "), code, out)
		}
		told[strings.Join(words, " ")] = out
	}
	seen, code := verb(t, p, "", "exec", task, "--", guestIn(driver, image), "variable", "SECRET")
	if code != 0 || seen != canary+"\n" {
		t.Errorf("a command in the container sees %d %q, want the secret", code, seen)
	}
	unseen(t, dir, told)

	c.ecs("delete-service", "--service", "cage", "--force")
	c.ecs("wait", "services-inactive", "--services", "cage")
	p.interrupt()
	told["the output of maitred up"] = p.output()
	unseen(t, dir, told)
}

// guestIn is the guest's path in its container.
func guestIn(driver, image string) string {
	if driver == "process" {
		return image
	}
	return "/guest"
}

// unseen looks for the secret in what was told and in every file below the data directory.
func unseen(t *testing.T, dir string, told map[string]string) {
	t.Helper()
	for where, text := range told {
		if strings.Contains(text, canary) {
			t.Errorf("%s tells the secret:\n%s", where, text)
		}
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what went away holds nothing
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EINVAL) { // EINVAL: a namespace is mounted there
			return err
		}
		if bytes.Contains(text, []byte(canary)) {
			t.Errorf("the secret is in %s", path)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files looked at, %v", files, err)
	}
}
