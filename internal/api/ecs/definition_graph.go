package ecs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// What refers from one part of a task definition to another: dependencies, links, log routers and volumes.

// checkDependencies checks dependsOn ("ContainerDependency").
func checkDependencies(d *definition) string {
	for _, c := range d.containers() {
		for _, dep := range c.DependsOn {
			name := aws.ToString(dep.ContainerName)
			on, ok := d.container(name)
			switch {
			case !ok:
				return c.invalid("dependsOn", "Unknown container '%s'.", name)
			case essential(on) && (dep.Condition == types.ContainerConditionSuccess || dep.Condition == types.ContainerConditionComplete):
				return "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container: " +
					fmt.Sprintf("dependsOn of container '%s' names '%s'.", c.label(), name)
			case on.HealthCheck == nil && dep.Condition == types.ContainerConditionHealthy:
				return "A dependency container with HEALTHY condition must have health check configured: " +
					fmt.Sprintf("dependsOn of container '%s' names '%s'.", c.label(), name)
			}
		}
	}
	return ""
}

// checkOrder refuses containers of which none could be the first to start: each waits for those that dependsOn, links and
// volumesFrom name ("ContainerDependency").
func checkOrder(d *definition) string {
	if cycle := d.cycle(); cycle != nil {
		return "Container dependencies must not form a cycle in dependsOn, links and volumesFrom: " + strings.Join(cycle, " -> ") + "."
	}
	return ""
}

// awaited are the names of the containers that have to be there before this one.
func (c container) awaited() []string {
	var names []string
	for _, dep := range c.DependsOn {
		names = append(names, aws.ToString(dep.ContainerName))
	}
	for _, link := range c.Links {
		name, _, _ := strings.Cut(link, ":")
		names = append(names, name)
	}
	for _, v := range c.VolumesFrom {
		names = append(names, aws.ToString(v.SourceContainer))
	}
	return names
}

// cycle finds containers that wait for one another; the first of them is repeated at the end.
func (d *definition) cycle() []string {
	done := map[string]bool{}
	var path []string
	var visit func(name string) []string
	visit = func(name string) []string {
		if i := slices.Index(path, name); i >= 0 {
			return append(slices.Clone(path[i:]), name)
		}
		c, _ := d.container(name)
		if done[name] || c.ContainerDefinition == nil {
			return nil
		}
		path = append(path, name)
		for _, on := range c.awaited() {
			if cycle := visit(on); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		done[name] = true
		return nil
	}
	for _, c := range d.containers() {
		if cycle := visit(aws.ToString(c.Name)); cycle != nil {
			return cycle
		}
	}
	return nil
}

// checkLinks checks that links name containers: NAME or NAME:ALIAS.
func checkLinks(d *definition) string {
	for _, c := range d.containers() {
		for _, link := range c.Links {
			name, _, _ := strings.Cut(link, ":")
			if _, ok := d.container(name); !ok || name == aws.ToString(c.Name) {
				return c.invalid("links", "Unknown container '%s'.", name)
			}
		}
	}
	return ""
}

// checkRouter checks that there is a log router for containers that send their logs to one, and refuses it.
func checkRouter(d *definition) string {
	router := slices.ContainsFunc(d.ContainerDefinitions, func(c types.ContainerDefinition) bool { return c.FirelensConfiguration != nil })
	for _, c := range d.containers() {
		if log := c.LogConfiguration; log != nil && log.LogDriver == types.LogDriverAwsfirelens && !router {
			return c.invalid("logConfiguration", "The log driver awsfirelens needs a container with firelensConfiguration in the task definition.")
		}
	}
	for _, c := range d.containers() {
		if c.FirelensConfiguration != nil {
			return c.invalid("firelensConfiguration", "FireLens is not supported by this version of maitred: give the containers the "+
				"log driver awslogs or fluentd, and leave the log router out.")
		}
	}
	return ""
}

// checkVolumes checks the volumes by themselves ("Volume").
func checkVolumes(d *definition) string {
	names, atLaunch := map[string]bool{}, 0
	for i, v := range d.Volumes {
		name := aws.ToString(v.Name)
		switch {
		case !validName(name):
			return fmt.Sprintf("volumes[%d].name %.300q is not a name: %s.", i, name, nameRule)
		case names[name]:
			return fmt.Sprintf("Volume names must be unique within a task definition: volumes[%d].name '%s' is there twice.", i, name)
		}
		names[name] = true
		if kinds := volumeKinds(v); len(kinds) > 1 {
			return fmt.Sprintf("volumes[%d]: only one of %s can be given.", i, strings.Join(kinds, " and "))
		}
		if aws.ToBool(v.ConfiguredAtLaunch) {
			atLaunch++
		}
		if path := v.Host; path != nil && aws.ToString(path.SourcePath) != "" && !strings.HasPrefix(*path.SourcePath, "/") {
			return fmt.Sprintf("volumes[%d].host.sourcePath should be an absolute path, got %.200q.", i, *path.SourcePath)
		}
		if docker := v.DockerVolumeConfiguration; docker != nil {
			if problem := enumProblem(fmt.Sprintf("volumes[%d].dockerVolumeConfiguration.scope", i), docker.Scope); problem != "" {
				return problem
			}
		}
	}
	if atLaunch > 1 {
		return fmt.Sprintf("volumes: only one volume can be configuredAtLaunch; %d are.", atLaunch)
	}
	return ""
}

// volumeKinds lists the members of a volume that say what sort it is.
func volumeKinds(v types.Volume) []string {
	var kinds []string
	for _, k := range []struct {
		member string
		set    bool
	}{
		{"host", v.Host != nil && aws.ToString(v.Host.SourcePath) != ""},
		{"dockerVolumeConfiguration", v.DockerVolumeConfiguration != nil},
		{"efsVolumeConfiguration", v.EfsVolumeConfiguration != nil},
		{"fsxWindowsFileServerVolumeConfiguration", v.FsxWindowsFileServerVolumeConfiguration != nil},
		{"s3filesVolumeConfiguration", v.S3filesVolumeConfiguration != nil},
		{"configuredAtLaunch", aws.ToBool(v.ConfiguredAtLaunch)},
	} {
		if k.set {
			kinds = append(kinds, k.member)
		}
	}
	return kinds
}

// checkVolumeUse checks what containers mount.
func checkVolumeUse(d *definition) string {
	used := map[string]bool{}
	for _, c := range d.containers() {
		for _, m := range c.MountPoints {
			name := aws.ToString(m.SourceVolume)
			if !slices.ContainsFunc(d.Volumes, func(v types.Volume) bool { return aws.ToString(v.Name) == name }) {
				return fmt.Sprintf("Unknown volume '%s'. It is a sourceVolume in mountPoints of container '%s'.", name, c.label())
			}
			used[name] = true
		}
		for _, v := range c.VolumesFrom {
			from := aws.ToString(v.SourceContainer)
			if _, ok := d.container(from); !ok || from == aws.ToString(c.Name) {
				return c.invalid("volumesFrom", "Unknown container '%s'.", from)
			}
		}
	}
	for _, v := range d.Volumes {
		if name := aws.ToString(v.Name); aws.ToBool(v.ConfiguredAtLaunch) && !used[name] {
			return fmt.Sprintf("Volumes [%s] are not referenced by any of the containers", name)
		}
	}
	return ""
}
