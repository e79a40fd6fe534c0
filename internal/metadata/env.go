package metadata

import (
	"slices"
	"strings"
)

// Door is an address that the endpoints are served at.
type Door struct {
	Address string // host:port
	// WellKnown says that it is 169.254.170.2:80, where the SDKs look for relative credentials, with no token.
	WellKnown bool
}

// Caller is a container that is to be told of the endpoints.
type Caller struct {
	Task      string // ARN
	Container string // name
	Address   string // the task's own one, "" if it has none
	Role      bool   // the task has a role
}

// Environment gives a container's variables with those that tell of the endpoints, sorted. As with ECS, these replace
// what a definition sets by their names.
func (k *Key) Environment(env []string, d Door, c Caller) []string {
	id, base := k.Container(c.Task, c.Container, c.Address), "http://"+strings.TrimSuffix(d.Address, ":80")
	ours := map[string]string{
		"ECS_CONTAINER_METADATA_URI_V4": base + "/v4/" + id,
		"ECS_AGENT_URI":                 base + "/api/" + id,
		"AWS_EXECUTION_ENV":             "AWS_ECS_EC2",
	}
	if c.Role {
		path := credentialsPath + k.Credentials(c.Task, c.Address)
		if d.WellKnown {
			ours["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = path
		} else {
			ours["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = base + path
			ours["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = k.Token(c.Task)
		}
	}
	list := slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := ours[name]
		return replaced
	})
	for name, value := range ours {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
