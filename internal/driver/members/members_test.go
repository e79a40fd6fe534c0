package members

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// TestTableKnowsAllFields fails when a field is added to a definition that nobody has given a name here: drivers would
// ignore it silently.
func TestTableKnowsAllFields(t *testing.T) {
	t.Parallel()
	known(t, taskRows())
	known(t, containerRows())
	known(t, linuxRows())
	// Those that rows look into: a field added to one of them may be a member of its own.
	for of, want := range map[reflect.Type][]string{
		reflect.TypeFor[model.PortMapping]():      {"Name", "ContainerPort", "HostPort", "Protocol", "Last"},
		reflect.TypeFor[model.LogConfiguration](): {"Driver", "Options", "Secrets"},
		reflect.TypeFor[model.Volume]():           {"Name", "HostPath", "Docker", "Unmet"},
		reflect.TypeFor[model.DockerVolume]():     {"Shared", "Autoprovision", "Driver", "Options", "Labels"},
	} {
		if diff := cmp.Diff(want, fields(of)); diff != "" {
			t.Errorf("fields of %s (-known +there): give what is new a name in this table:\n%s", of, diff)
		}
	}
}

func known[T any](t *testing.T, rows []row[T]) {
	t.Helper()
	var names []string
	for _, r := range rows {
		names = append(names, r.field)
	}
	there := fields(reflect.TypeFor[T]())
	for _, name := range there {
		if n := len(names) - len(slices.DeleteFunc(slices.Clone(names), func(row string) bool { return row == name })); n != 1 {
			t.Errorf("%s.%s has %d rows, want 1", reflect.TypeFor[T](), name, n)
		}
	}
	for _, name := range names {
		if !slices.Contains(there, name) {
			t.Errorf("there is a row for %s.%s, which there is not", reflect.TypeFor[T](), name)
		}
	}
}

func fields(of reflect.Type) []string {
	var names []string
	for f := range of.Fields() {
		names = append(names, f.Name)
	}
	return names
}

// bookkeeping are the fields that no driver has to do with.
func bookkeeping() []string {
	return []string{
		"ARN", "Region", "Family", "Revision", "Status", "Containers", "Constraints", "Requires", "Tags", "Document",
		"CreatedAt", "ClosedAt", "Cause", "Name", "Essential", "Image",
	}
}

// TestEachFieldIsTold sets one field at a time: it is told, and nothing else is.
func TestEachFieldIsTold(t *testing.T) {
	t.Parallel()
	told := 0
	for _, name := range fields(reflect.TypeFor[model.TaskDefinition]()) {
		if !slices.Contains(bookkeeping(), name) {
			var d model.TaskDefinition
			fill(t, reflect.ValueOf(&d).Elem().FieldByName(name))
			wantOne(t, name, &d, "")
			told++
		}
	}
	for _, name := range fields(reflect.TypeFor[model.ContainerDefinition]()) {
		c := model.ContainerDefinition{Name: "web"}
		if !slices.Contains(bookkeeping(), name) && name != "Linux" {
			fill(t, reflect.ValueOf(&c).Elem().FieldByName(name))
			wantOne(t, name, &model.TaskDefinition{Containers: []model.ContainerDefinition{c}}, "web")
			told++
		}
	}
	for _, name := range fields(reflect.TypeFor[model.LinuxParameters]()) {
		var l model.LinuxParameters
		fill(t, reflect.ValueOf(&l).Elem().FieldByName(name))
		wantOne(t, name, &model.TaskDefinition{Containers: []model.ContainerDefinition{{Name: "web", Linux: &l}}}, "web")
		told++
	}
	if told < 45 {
		t.Errorf("%d fields were looked at, want all of them, more than 45", told)
	}
}

// fill gives a field a value that is not zero, and its elements none.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.Zero(v.Type().Elem()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	default:
		t.Fatalf("a field of kind %s", v.Kind())
	}
}

func wantOne(t *testing.T, field string, d *model.TaskDefinition, container string) {
	t.Helper()
	got := Set(d)
	if len(got) != 1 || got[0].Container != container || (got[0].Name == "") != (field == "Unmet") {
		t.Errorf("%s is set: Set = %v, want one member of container %q", field, got, container)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	two := func(change func(d *model.TaskDefinition)) *model.TaskDefinition {
		d := &model.TaskDefinition{
			NetworkMode: "bridge", TaskRole: "r", ExecutionRole: "r",
			Containers: []model.ContainerDefinition{
				{Name: "a", Image: "i", Environment: map[string]string{"A": "1"}, Secrets: []model.Secret{{Name: "S"}}, Unpinned: true},
				{Name: "b", Image: "i", HealthCheck: &model.HealthCheck{}, Restart: &model.RestartPolicy{}, StartTimeout: 1, StopTimeout: 1},
			},
		}
		change(d)
		return d
	}
	for name, tc := range map[string]struct {
		def       *model.TaskDefinition
		supported []string
		want      string
	}{
		"what the agent does": {two(func(*model.TaskDefinition) {}), []string{"networkMode"}, ""},
		"a value":             {two(func(*model.TaskDefinition) {}), []string{"networkMode=bridge"}, ""},
		"another value": {
			two(func(d *model.TaskDefinition) { d.NetworkMode = "awsvpc" }),
			[]string{"networkMode=bridge", "networkMode=host"},
			"the x driver cannot honour networkMode awsvpc: leave out what is named",
		},
		"of the task and its containers": {
			two(func(d *model.TaskDefinition) {
				d.PIDMode = "host"
				d.Containers[0].Links, d.Containers[0].Privileged = []string{"b"}, true
				d.Containers[1].Log = &model.LogConfiguration{Driver: "syslog"}
			}),
			[]string{"networkMode", "logConfiguration.logDriver=awslogs"},
			"the x driver cannot honour pidMode host; container a: privileged, links; container b: logConfiguration.logDriver syslog: " +
				"leave out what is named",
		},
		"unmet, whatever is supported": {
			two(func(d *model.TaskDefinition) {
				d.Containers[0].Unmet = []string{"links"}
				d.Volumes = []model.Volume{{Name: "v", Unmet: "efsVolumeConfiguration"}}
			}),
			[]string{"networkMode", "links", "volumes", "volumes.efsVolumeConfiguration"},
			"the x driver cannot honour volumes.efsVolumeConfiguration; container a: links: leave out what is named",
		},
		"volumes": {
			two(func(d *model.TaskDefinition) {
				d.Volumes = []model.Volume{
					{Name: "a"},
					{Name: "b"},
					{Name: "c", HostPath: "/c"},
					{Name: "d", Docker: &model.DockerVolume{}},
					{Name: "e", Docker: &model.DockerVolume{Driver: "nfs"}},
				}
			}),
			[]string{"networkMode", "volumes", "volumes.dockerVolumeConfiguration=local"},
			"the x driver cannot honour volumes.host, volumes.dockerVolumeConfiguration nfs: leave out what is named",
		},
		"ports": {
			two(func(d *model.TaskDefinition) {
				d.Containers[0].Ports = []model.PortMapping{{ContainerPort: 1}, {ContainerPort: 2, Last: 3}}
			}),
			[]string{"networkMode", "portMappings"},
			"the x driver cannot honour container a: portMappings.containerPortRange: leave out what is named",
		},
	} {
		if diff := cmp.Diff(tc.want, Refuse(tc.def, "the x driver", tc.supported...)); diff != "" {
			t.Errorf("%s: Refuse (-want +got):\n%s", name, diff)
		}
	}
}
