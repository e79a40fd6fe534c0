package oci

import (
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
)

// defaultPath is where programs are looked for when nobody says: Docker's default.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// arguments are a container's words, by Docker's rules: an entryPoint of the definition replaces the image's and drops
// the image's command; a command alone follows the image's entry point.
func arguments(c *model.ContainerDefinition, img *image.RunConfig) []string {
	entry, command := c.EntryPoint, c.Command
	if len(entry) == 0 {
		entry = img.Entrypoint
		if len(command) == 0 {
			command = img.Cmd
		}
	}
	return slices.Concat(entry, command)
}

// environment is a container's: what the image says, replaced by what the definition and its overrides say. PATH and
// HOSTNAME are there always, HOME is set by the runtime from the user.
func environment(img, own []string, hostname string) []string {
	env := make([]string, 0, len(img)+len(own)+2)
	index := map[string]int{}
	set := func(entry string, replace bool) {
		key, _, _ := strings.Cut(entry, "=")
		at, known := index[key]
		switch {
		case !known:
			index[key] = len(env)
			env = append(env, entry)
		case replace:
			env[at] = entry
		}
	}
	for _, entry := range slices.Concat(img, own) {
		set(entry, true)
	}
	set("PATH="+defaultPath, false)
	if hostname != "" {
		set("HOSTNAME="+hostname, false)
	}
	return env
}

// ecsHostname is the name that ECS gives a task's network: ip-10-0-0-5.
func ecsHostname(address string) string { return "ip-" + strings.ReplaceAll(address, ".", "-") }
