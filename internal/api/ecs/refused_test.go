package ecs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/cockroachdb/datadriven"
)

// TestRefused sends what the scripts say, all of it bad for one thing, and shows the exception and what it says. Nothing
// of it changes anything. The commands are
//
//	definition            members of a task definition with the container app
//	container [fargate]   members of app; in a task definition for Fargate
//	two                   members of app, of another container b, and of the task definition, a line each
//	run                   members of a RunTask of web, which runs on a bridge
//	override              members of the override of its container app
//	service               members of a CreateService of web
//	update                members of an UpdateService of a service of plain, which is web without a role
//
// With the argument good, the request is not refused: it is near to one that is.
func TestRefused(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/refused", func(t *testing.T, path string) {
		f := newTaskWorld(t, "m1")
		f.define("web", 100)
		f.register("plain")
		must(f.CreateService(t.Context(), &client.CreateServiceInput{
			ServiceName: aws.String("plain"), TaskDefinition: aws.String("plain"), DesiredCount: aws.Int32(0),
		}))(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			operation, body := bad(t, d)
			rev := f.store.View().Revision()
			status, answer := f.send(operation, body)
			if d.HasArg("good") {
				if status != 200 {
					t.Errorf("%s: %d %s, want it to be accepted", d.Pos, status, answer)
				}
				return ""
			}
			if got := f.store.View().Revision(); got != rev {
				t.Errorf("%s: the store went from revision %d to %d", d.Pos, rev, got)
			}
			var said struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal([]byte(answer), &said); err != nil || status != 400 {
				t.Errorf("%s: %d %s, want a refusal", d.Pos, status, answer)
			}
			return said.Type + ": " + said.Message + "\n"
		})
	})
}

// bad is the request that a command stands for.
func bad(t *testing.T, d *datadriven.TestData) (operation, body string) {
	t.Helper()
	lines := strings.Split(d.Input, "\n")
	const app = `{"name":"app","image":"i","memory":64%s}`
	with := func(members string) string {
		if members == "" {
			return ""
		}
		return "," + members
	}
	switch d.Cmd {
	case "definition":
		return "RegisterTaskDefinition", fmt.Sprintf(`{"family":"f","containerDefinitions":[`+app+`]%s}`, "", with(d.Input))
	case "container":
		task := ""
		if d.HasArg("fargate") {
			task = `"requiresCompatibilities":["FARGATE"],"networkMode":"awsvpc","cpu":"256","memory":"512"`
		}
		return "RegisterTaskDefinition", fmt.Sprintf(`{"family":"f","containerDefinitions":[`+app+`]%s}`, with(d.Input), with(task))
	case "two":
		lines = append(lines, "", "")
		return "RegisterTaskDefinition", fmt.Sprintf(`{"family":"f","containerDefinitions":[`+app+`,{"name":"b","image":"i","memory":64%s}]%s}`,
			with(lines[0]), with(lines[1]), with(lines[2]))
	case "run":
		return "RunTask", `{"taskDefinition":"web"` + with(d.Input) + `}`
	case "override":
		return "RunTask", `{"taskDefinition":"web","overrides":{"containerOverrides":[{"name":"app"` + with(d.Input) + `}]}}`
	case "service":
		return "CreateService", `{"serviceName":"s","taskDefinition":"web","desiredCount":1` + with(d.Input) + `}`
	case "update":
		return "UpdateService", `{"service":"plain"` + with(d.Input) + `}`
	}
	t.Fatalf("%s: there is no command %s", d.Pos, d.Cmd)
	return "", ""
}
