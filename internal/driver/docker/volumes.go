package docker

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// mounts are a container's mount points. Directories of the machine are bound in the form that has the daemon make those
// that are missing, as it does for ECS ("HostVolumeProperties").
func (d *Driver) mounts(spec driver.Spec) (binds []string, mounts []mount.Mount, err error) {
	for _, m := range spec.Definition.Mounts {
		v := volume(spec.Sandbox.Volumes, m.Volume)
		switch {
		case v == nil:
			return nil, nil, driver.UnknownVolume(m.Volume)
		case v.HostPath == "":
			mounts = append(mounts, mount.Mount{
				Type: mount.TypeVolume, Source: d.volumeName(spec.Sandbox.Task, v), Target: m.Path, ReadOnly: m.ReadOnly,
			})
		case strings.Contains(v.HostPath+m.Path, ":"):
			return nil, nil, fmt.Errorf("mountPoints: Docker mounts no path with a colon: %s at %s", v.HostPath, m.Path)
		default:
			bind := v.HostPath + ":" + m.Path
			if m.ReadOnly {
				bind += ":ro"
			}
			binds = append(binds, bind)
		}
	}
	return binds, mounts, nil
}

func volume(all []model.Volume, name string) *model.Volume {
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

// volumeName is the daemon's name of a volume: its own if it is shared, else the task's.
func (d *Driver) volumeName(task string, v *model.Volume) string {
	if v.Docker != nil && v.Docker.Shared {
		return v.Name
	}
	return d.name(task) + "-" + v.Name
}

// makeVolumes makes the volumes of a task that are not there, those apart that are directories of the machine.
func (d *Driver) makeVolumes(ctx context.Context, s driver.Sandbox) error {
	for i := range s.Volumes {
		v := &s.Volumes[i]
		if v.HostPath != "" {
			continue
		}
		if err := d.makeVolume(ctx, s.Task, v); err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	return nil
}

func (d *Driver) makeVolume(ctx context.Context, task string, v *model.Volume) error {
	ctx, cancel := context.WithTimeout(ctx, d.limits.remove) // a volume's driver may have to reach another machine
	defer cancel()
	of := v.Docker
	if of == nil {
		of = &model.DockerVolume{}
	}
	name := d.volumeName(task, v)
	labels := map[string]string{}
	maps.Copy(labels, of.Labels)
	if of.Shared {
		there, err := d.client.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
		if !errdefs.IsNotFound(err) {
			return mismatch(of, there, err)
		}
		if !of.Autoprovision {
			return driver.ErrNoVolume
		}
	} else {
		labels[labelScope], labels[labelTaskID], labels[labelSandbox] = d.scope, task, "volume"
	}
	_, err := d.client.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name: name, Driver: of.Driver, DriverOpts: of.Options, Labels: labels,
	})
	return err
}

// mismatch says why a shared volume that was found is not the one that is meant, as ECS's agent does.
func mismatch(want *model.DockerVolume, found client.VolumeInspectResult, err error) error {
	if err != nil {
		return err
	}
	v := found.Volume
	kind := want.Driver
	if kind == "" {
		kind = "local"
	}
	switch {
	case !want.Autoprovision: // whoever made it knows how
	case v.Driver != kind:
		return fmt.Errorf("it exists with the driver %s, not %s", v.Driver, kind)
	case !maps.Equal(v.Options, want.Options):
		return fmt.Errorf("it exists with the options %v, not %v", v.Options, want.Options)
	}
	return nil
}

// taskVolumes are the volumes that live as long as a task, of all tasks if it is "".
func (d *Driver) taskVolumes(ctx context.Context, task string) (tasks, names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	labels := []string{labelScope + "=" + d.scope, labelSandbox}
	if task != "" {
		labels = append(labels, labelTaskID+"="+task)
	}
	found, err := d.client.VolumeList(ctx, client.VolumeListOptions{Filters: client.Filters{}.Add("label", labels...)})
	if err != nil {
		return nil, nil, fmt.Errorf("list volumes: %w", err)
	}
	for i := range found.Items {
		tasks, names = append(tasks, found.Items[i].Labels[labelTaskID]), append(names, found.Items[i].Name)
	}
	return tasks, names, nil
}

// removeVolumes removes the volumes of a task, and says whether some are still in use: by ended containers that have not
// been removed, for the daemon keeps a volume as long as somebody could start such a one again.
func (d *Driver) removeVolumes(ctx context.Context, task string) (inUse bool, err error) {
	_, names, err := d.taskVolumes(ctx, task)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		limited, cancel := context.WithTimeout(ctx, d.limits.remove)
		_, err := d.client.VolumeRemove(limited, name, client.VolumeRemoveOptions{})
		cancel()
		switch {
		case errdefs.IsConflict(err):
			inUse = true
		case err != nil && !errdefs.IsNotFound(err):
			return inUse, fmt.Errorf("remove volume %s: %w", name, err)
		}
	}
	return inUse, nil
}
