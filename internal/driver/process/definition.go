package process

import (
	"fmt"
	"strings"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/driver/members"
	"github.com/maitred/maitred/internal/model"
)

// image is what a definition writes for image when entryPoint and command are the whole program.
const image = "process"

// Refuse implements driver.Driver.
func (d *Driver) Refuse(def *model.TaskDefinition) string { return Refuse(def) }

// Refuse says why a definition cannot run as plain processes, "" if it can. Users, directories and programs are not
// looked at: they are the machine's business, and an error when the container starts.
func Refuse(def *model.TaskDefinition) string {
	switch def.NetworkMode {
	case "awsvpc":
		return "networkMode awsvpc needs a network of the task's own, and the process driver runs plain programs in the " +
			"machine's own network: use host"
	case "none":
		return "networkMode none needs a network namespace, and the process driver runs plain programs in the machine's " +
			"own network: use host, or Docker (--driver docker)"
	}
	for i := range def.Containers {
		if reason := refuseContainer(&def.Containers[i]); reason != "" {
			return fmt.Sprintf("container %s: %s", def.Containers[i].Name, reason)
		}
	}
	return members.Refuse(def, "the process driver runs plain programs, and", honoured()...)
}

// honoured are the members that a plain program can have. Sizes are for placement: a memory limit is not enforced.
// Volumes that nobody mounts mean nothing.
func honoured() []string {
	return []string{
		"networkMode", "cpu", "memory", "memoryReservation", "entryPoint", "command", "workingDirectory", "user", "ulimits",
		"portMappings", "dockerLabels", "logConfiguration.logDriver=awslogs", "logConfiguration.logDriver=json-file",
		"volumes", "volumes.host", "volumes.dockerVolumeConfiguration",
	}
}

func refuseContainer(c *model.ContainerDefinition) string {
	if c.Image != image && !isPath(c.Image) {
		return fmt.Sprintf("image %q: the process driver runs plain programs, so image must be %q or the path of a "+
			"program (/…, ./… or ../…); use Docker (--driver docker) for images", c.Image, image)
	}
	for _, u := range c.Ulimits {
		if !keeper.KnownLimit(u.Name) {
			return fmt.Sprintf("ulimits: there is no limit %q", u.Name)
		}
	}
	return ""
}

// isPath says whether an image is the path of a program. No image's name begins like one.
func isPath(image string) bool {
	for _, prefix := range []string{"/", "./", "../"} {
		if strings.HasPrefix(image, prefix) && len(image) > len(prefix) {
			return true
		}
	}
	return false
}

// program is what the keeper is to run for a spec.
func (d *Driver) program(spec driver.Spec) keeper.Spec {
	def := &spec.Definition
	p := keeper.Spec{
		ID: spec.ID, Env: spec.Env, User: def.User, StopSignal: spec.StopSignal,
		Dir: d.absolute(def.WorkingDirectory),
	}
	if isPath(def.Image) {
		p.Argv = append(p.Argv, d.absolute(def.Image))
	}
	p.Argv = append(append(p.Argv, def.EntryPoint...), def.Command...)
	for _, u := range def.Ulimits {
		p.Limits = append(p.Limits, keeper.Limit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return p
}
