// Package members knows the members of a task definition by the names that ECS gives them, so that a driver can refuse
// by name what it does not honour. What nobody has listed is refused: no member of a definition is ever silently ignored.
package members

import (
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Member is a member of a task definition that is set.
type Member struct {
	Container string // "" for a member of the task
	Name      string // for example linuxParameters.tmpfs
	Value     string // of those that can be honoured for some values only, for example bridge; else ""
	Unmet     bool   // of the definition's list of what no driver honours
}

// String gives the member as people read it: "container web: linuxParameters.tmpfs", "networkMode awsvpc".
func (m Member) String() string {
	if m.Container == "" {
		return m.label()
	}
	return "container " + m.Container + ": " + m.label()
}

func (m Member) label() string {
	if m.Value == "" {
		return m.Name
	}
	return m.Name + " " + m.Value
}

// supported says whether a list has the member, by its name, or by NAME=VALUE for that value alone.
func (m Member) supported(list []string) bool {
	return !m.Unmet && (slices.Contains(list, m.Name) || m.Value != "" && slices.Contains(list, m.Name+"="+m.Value))
}

// Set lists the members of a task and then of its containers that are set, in a fixed order.
func Set(def *model.TaskDefinition) []Member {
	var list []Member
	for _, row := range taskRows() {
		list = append(list, row.set(def)...)
	}
	for i := range def.Containers {
		c := &def.Containers[i]
		for _, row := range containerRows() {
			for _, m := range row.set(c) {
				m.Container = c.Name
				list = append(list, m)
			}
		}
	}
	return list
}

// Refuse says in one sentence which members of a definition a driver cannot honour, "" if there are none. who begins the
// sentence ("the process driver"); supported are the names of what the driver honours, or NAME=VALUE where it honours
// some values only, besides what the agent does for every driver.
func Refuse(def *model.TaskDefinition, who string, supported ...string) string {
	agent := agents()
	var refused []Member
	for _, m := range Set(def) {
		if !m.supported(supported) && !m.supported(agent) {
			refused = append(refused, m)
		}
	}
	if len(refused) == 0 {
		return ""
	}
	return who + " cannot honour " + list(refused) + ": leave out what is named"
}

// agents are the members that the agent honours, whatever the driver: they come to a driver resolved, or not at all.
func agents() []string {
	return []string{
		"taskRoleArn", "executionRoleArn", "dependsOn", "startTimeout", "stopTimeout", "healthCheck", "restartPolicy",
		"environment", "environmentFiles", "secrets", "versionConsistency",
	}
}

// list names members, those of one container after its name: "pidMode host; container web: links, privileged".
func list(members []Member) string {
	var b strings.Builder
	for i, m := range members {
		switch {
		case i == 0:
			b.WriteString(m.String())
		case m.Container == members[i-1].Container:
			b.WriteString(", " + m.label())
		default:
			b.WriteString("; " + m.String())
		}
	}
	return b.String()
}
