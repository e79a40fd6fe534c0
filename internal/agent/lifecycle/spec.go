package lifecycle

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// ID names an attempt of a container of a task (given by ARN): no two attempts on any machine share it.
func ID(task, name string, attempt int) string {
	return model.ShortID(task) + "-" + name + "-" + strconv.Itoa(attempt)
}

// ParseID takes an ID apart; task is the task's id. ok is false for what no agent has named.
func ParseID(id string) (task, name string, attempt int, ok bool) {
	task, rest, found := strings.Cut(id, "-")
	end := strings.LastIndexByte(rest, '-')
	if !found || task == "" || end <= 0 {
		return "", "", 0, false
	}
	attempt, err := strconv.Atoi(rest[end+1:])
	if err != nil || attempt < 0 || ID(task, rest[:end], attempt) != id {
		return "", "", 0, false
	}
	return task, rest[:end], attempt, true
}

// Placing is what a container's Spec depends on besides its definition.
type Placing struct {
	Attempt  int
	Bindings []model.PortBinding
	// HostNetwork says that containers listen in the machine's own network, so that they must be told their host ports.
	HostNetwork bool
	// Attachment is the task's network interface, with the firewall rules that apply to it; nil if it has none.
	Attachment *model.Attachment
	Rules      []model.FirewallRule
	// Peers are the ids of the task's other containers that have been started, by name.
	Peers map[string]string
}

// Spec says what the driver shall run: a container of a task's resolved definition.
func Spec(task *model.Task, def *model.TaskDefinition, c *model.ContainerDefinition, p Placing) driver.Spec {
	return driver.Spec{
		ID: ID(task.ARN, c.Name, p.Attempt), Task: task.ARN, Definition: *c, Env: environment(c, p),
		Bindings: p.Bindings, Digest: task.Images[c.Name], Peers: p.Peers,
		Sandbox: driver.Sandbox{
			Task: model.ShortID(task.ARN), NetworkMode: def.NetworkMode, Attachment: p.Attachment, Rules: p.Rules,
			CPU: def.CPU, Memory: def.Memory, PIDMode: def.PIDMode, IPCMode: def.IPCMode,
			Storage: def.Storage, Volumes: def.Volumes,
		},
	}
}

// environment is the container's environment, sorted. Where there is one network for all, a program finds the host port
// of a container port N in MAITRED_PORT_N; PORT is that of its first one. A PORT in the definition that names another
// container port becomes that one's host port; any other stays as it is.
func environment(c *model.ContainerDefinition, p Placing) []string {
	env := make(map[string]string, len(c.Environment)+2)
	maps.Copy(env, c.Environment)
	if p.HostNetwork && len(p.Bindings) > 0 {
		host := make(map[string]string, len(p.Bindings))
		for _, b := range slices.Backward(p.Bindings) {
			host[strconv.Itoa(b.ContainerPort)] = strconv.Itoa(b.HostPort)
		}
		for port, at := range host {
			env["MAITRED_PORT_"+port] = at
		}
		port, set := env["PORT"]
		if at, known := host[port]; known {
			env["PORT"] = at
		} else if !set {
			env["PORT"] = strconv.Itoa(p.Bindings[0].HostPort)
		}
	}
	list := make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return list
}
