package ecs

import (
	"cmp"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// What of a container and its task is about the machine below: files, networks, devices, the kernel.

// surroundings converts what a container sees of the world, and what it may do to it.
func surroundings(out *model.ContainerDefinition, c container) {
	out.Linux = linuxModel(c.LinuxParameters)
	out.ReadonlyRoot, out.Privileged = aws.ToBool(c.ReadonlyRootFilesystem), aws.ToBool(c.Privileged)
	out.SecurityOptions = noneIsNil(c.DockerSecurityOptions)
	out.Interactive, out.Terminal = aws.ToBool(c.Interactive), aws.ToBool(c.PseudoTerminal)
	out.Mounts = each(c.MountPoints, func(m types.MountPoint) model.Mount {
		return model.Mount{Volume: aws.ToString(m.SourceVolume), Path: aws.ToString(m.ContainerPath), ReadOnly: aws.ToBool(m.ReadOnly)}
	})
	out.VolumesFrom = each(c.VolumesFrom, func(v types.VolumeFrom) model.VolumeFrom {
		return model.VolumeFrom{Container: aws.ToString(v.SourceContainer), ReadOnly: aws.ToBool(v.ReadOnly)}
	})
	out.Sysctls = keyed(c.SystemControls, func(s types.SystemControl) (string, string) {
		return aws.ToString(s.Namespace), aws.ToString(s.Value)
	})
	out.Hostname = aws.ToString(c.Hostname)
	out.ExtraHosts = each(c.ExtraHosts, func(h types.HostEntry) model.Host {
		return model.Host{Name: aws.ToString(h.Hostname), Address: aws.ToString(h.IpAddress)}
	})
	out.DNSServers, out.DNSSearch = noneIsNil(c.DnsServers), noneIsNil(c.DnsSearchDomains)
	out.NoNetwork = aws.ToBool(c.DisableNetworking)
	out.Links = noneIsNil(c.Links)
}

// linuxModel converts linuxParameters; those that say nothing are none.
func linuxModel(l *types.LinuxParameters) *model.LinuxParameters {
	if l == nil {
		return nil
	}
	out := model.LinuxParameters{
		Devices: each(l.Devices, deviceModel), Init: aws.ToBool(l.InitProcessEnabled), Tmpfs: each(l.Tmpfs, tmpfsModel),
		SharedSize: int(aws.ToInt32(l.SharedMemorySize)), MaxSwap: whole(l.MaxSwap), Swappiness: whole(l.Swappiness),
	}
	if l.Capabilities != nil {
		out.Add, out.Drop = noneIsNil(l.Capabilities.Add), noneIsNil(l.Capabilities.Drop)
	}
	if reflect.ValueOf(out).IsZero() {
		return nil
	}
	return &out
}

// whole converts a number that may not be given.
func whole(n *int32) *int {
	if n == nil {
		return nil
	}
	return aws.Int(int(*n))
}

// deviceModel fills in what a container gets that says no more: the same path, and all permissions ("Device").
func deviceModel(d types.Device) model.Device {
	out := model.Device{HostPath: aws.ToString(d.HostPath), Permissions: []string{"read", "write", "mknod"}}
	out.ContainerPath = cmp.Or(aws.ToString(d.ContainerPath), out.HostPath)
	if len(d.Permissions) > 0 {
		out.Permissions = each(d.Permissions, func(p types.DeviceCgroupPermission) string { return string(p) })
	}
	return out
}

func tmpfsModel(t types.Tmpfs) model.Tmpfs {
	return model.Tmpfs{Path: aws.ToString(t.ContainerPath), Size: int(t.Size), Options: noneIsNil(t.MountOptions)}
}

// volumeModel converts a volume. Those of file systems that are not the machine's are named, not met.
func volumeModel(v types.Volume) model.Volume {
	out := model.Volume{Name: aws.ToString(v.Name)}
	if v.Host != nil {
		out.HostPath = aws.ToString(v.Host.SourcePath)
	}
	if d := v.DockerVolumeConfiguration; d != nil {
		out.Docker = &model.DockerVolume{
			Shared: d.Scope == types.ScopeShared, Autoprovision: aws.ToBool(d.Autoprovision), Driver: aws.ToString(d.Driver),
			Options: noEntriesIsNil(d.DriverOpts), Labels: noEntriesIsNil(d.Labels),
		}
	}
	for _, m := range []setMember{
		{"efsVolumeConfiguration", v.EfsVolumeConfiguration != nil},
		{"fsxWindowsFileServerVolumeConfiguration", v.FsxWindowsFileServerVolumeConfiguration != nil},
		{"s3filesVolumeConfiguration", v.S3filesVolumeConfiguration != nil},
		{"configuredAtLaunch", aws.ToBool(v.ConfiguredAtLaunch)},
	} {
		if m.set {
			out.Unmet = m.name
		}
	}
	return out
}

// noEntriesIsNil keeps an empty map as the store gives it back.
func noEntriesIsNil(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}
