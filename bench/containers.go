package main

import (
	stdbytes "bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/client"
)

// fleet is how many containers are started at once.
const fleet = 50

// workerCounts are tried for the floors; the better one of a sample counts.
func workerCounts() []int { return []int{4, 8} }

// containers measures real containers: ours by both drivers, and in the same run what runc, Docker's API and Swarm take.
func containers(ctx context.Context, w *world) (err error) {
	d, err := openDocker(ctx, w.sleeper)
	if err != nil {
		return fmt.Errorf("a Docker daemon is needed: %w", err)
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	r, err := openRunc(w.base, w.sleeper)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	layers, err := ociLayout(w.base, w.sleeper)
	if err != nil {
		return err
	}
	oci, err := w.startContainers(ctx, "oci", layers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, oci.stop()) }()
	docker, err := w.startContainers(ctx, "docker", dockerImage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, docker.stop()) }()
	if err := d.swarmUp(ctx); err != nil {
		w.notes = append(w.notes, "Swarm was not measured: "+err.Error())
	}
	if err := w.fleets(ctx, d, r, oci, docker); err != nil {
		return err
	}
	if err := w.replacements(ctx, d, oci, docker); err != nil {
		return err
	}
	return w.idleContainers(ctx, oci)
}

// ociLayout makes an image in a directory, and gives its name.
func ociLayout(base, sleeper string) (string, error) {
	root, err := tarOf(sleeper)
	if err != nil {
		return "", err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(stdbytes.NewReader(root)), nil })
	if err != nil {
		return "", err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return "", err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return "", err
	}
	config.OS, config.Architecture, config.Config.Entrypoint = "linux", "amd64", []string{"/sleeper"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return "", err
	}
	dir := filepath.Join(base, "image")
	path, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendImage(image)
	}
	return "oci:" + dir, err
}

// startContainers runs maitred with a driver, and registers the sleeper's image.
func (w *world) startContainers(ctx context.Context, driver, image string) (*maitred, error) {
	dir, err := w.dataDir()
	if err != nil {
		return nil, err
	}
	m, err := w.startWith(ctx, dir, driver)
	if err != nil {
		return nil, fmt.Errorf("--driver %s: %w", driver, err)
	}
	if err := m.define(ctx, image); err != nil {
		return nil, errors.Join(err, m.stop())
	}
	return m, nil
}

// fleets starts many containers at once, in turn by all who can.
func (w *world) fleets(ctx context.Context, d *dockerd, r *runc, byOCI, byDocker *maitred) error {
	name := fmt.Sprintf("CreateService → %d RUNNING, ", fleet)
	oci := w.figure(figure{Name: name + "oci", Unit: seconds, What: "the network and runc run -d, the better of 4 and 8 workers", Goal: limit{Ratio: 2}})
	docker := w.figure(figure{
		Name: name + "docker", Unit: seconds, What: "create and start by the API, the better of 4 and 8 workers", Goal: limit{Ratio: 1.10}, Gate: limit{Ratio: 1.25},
	})
	one := w.figure(figure{Name: "CreateService → 1 RUNNING, oci", Unit: seconds, What: "the network and runc run -d"})
	oneDocker := w.figure(figure{Name: "CreateService → 1 RUNNING, docker", Unit: seconds, What: "create and start by the API"})
	swarmed := w.figure(figure{Name: fmt.Sprintf("Swarm: a service of %d → all running", fleet), Unit: seconds, What: "create and start by the API"})
	for i := range w.n {
		w.progress("containers, %d of %d", i+1, w.n)
		if err := errors.Join(
			w.runcFloor(ctx, r, fleet, oci), w.fleet(ctx, byOCI, fleet, oci),
			w.dockerFloor(ctx, d, fleet, docker, swarmed), w.fleet(ctx, byDocker, fleet, docker),
			w.runcFloor(ctx, r, 1, one), w.fleet(ctx, byOCI, 1, one),
			w.dockerFloor(ctx, d, 1, oneDocker), w.fleet(ctx, byDocker, 1, oneDocker),
		); err != nil {
			return err
		}
		if d.swarm {
			took, err := d.swarmService(ctx, fleet, w.poll*5)
			if err != nil {
				return err
			}
			swarmed.Ours.add(took.Seconds())
		}
	}
	w.notes = append(w.notes, fmt.Sprintf("%d containers: oci %s, docker %s (%.1f× oci), Swarm %s (%.1f× oci, %.1f× docker).", fleet,
		format(oci.Ours.median(), seconds), format(docker.Ours.median(), seconds), docker.Ours.median()/oci.Ours.median(),
		format(swarmed.Ours.median(), seconds), swarmed.Ours.median()/oci.Ours.median(), swarmed.Ours.median()/docker.Ours.median()))
	return nil
}

func (w *world) runcFloor(ctx context.Context, r *runc, n int, f *figure) error {
	best := time.Hour
	for _, workers := range workerCounts() {
		list, err := r.bundles(n)
		if err != nil {
			return err
		}
		took, err := r.run(ctx, list, min(workers, n))
		if err := errors.Join(err, r.remove(ctx, list)); err != nil {
			return err
		}
		best = min(best, took)
	}
	f.Floor.add(best.Seconds())
	return nil
}

func (w *world) dockerFloor(ctx context.Context, d *dockerd, n int, figures ...*figure) error {
	best := time.Hour
	for _, workers := range workerCounts() {
		ids, took, err := d.bare(ctx, n, min(workers, n))
		if err := errors.Join(err, d.remove(ctx, ids)); err != nil {
			return err
		}
		best = min(best, took)
	}
	for _, f := range figures {
		f.Floor.add(best.Seconds())
	}
	return nil
}

// fleet starts a service of n tasks and ends it again.
func (w *world) fleet(ctx context.Context, m *maitred, n int, f *figure) error {
	name := fmt.Sprintf("fleet-%d-%d", n, len(f.Ours))
	began := time.Now()
	if err := m.createService(ctx, name, n); err != nil {
		return err
	}
	if err := m.untilRunning(ctx, name, n, w.pollMany(n)); err != nil {
		return fmt.Errorf("%s does not run: %w", f.Name, err)
	}
	f.Ours.add(time.Since(began).Seconds())
	arns, err := m.list(ctx, name)
	if err != nil {
		return err
	}
	if err := m.scale(ctx, name, 0); err != nil {
		return err
	}
	if err := m.untilStopped(ctx, arns, w.pollMany(n)); err != nil {
		return fmt.Errorf("%s does not stop: %w", f.Name, err)
	}
	return nil
}

// untilStopped waits until tasks are over.
func (a *api) untilStopped(ctx context.Context, arns []string, poll time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return wait(ctx, poll, func() (bool, error) {
		tasks, err := a.describe(ctx, arns...)
		for i := range tasks {
			if tasks[i].LastStatus != "STOPPED" {
				return false, err
			}
		}
		return true, err
	})
}

// replacements kills containers.
func (w *world) replacements(ctx context.Context, d *dockerd, byOCI, byDocker *maitred) error {
	oci := w.figure(figure{Name: "kill -9 of a container → replacement RUNNING, oci", Unit: seconds, What: "none", Goal: limit{Amount: 0.05}})
	docker := w.figure(figure{
		Name: "kill -9 of a container → replacement RUNNING, docker", Unit: seconds, What: "die event, create, start", Goal: limit{Ratio: 1.05}, Gate: limit{Ratio: 1.2},
	})
	if err := w.replace(ctx, byOCI, oci, func(*task) error { return nil }); err != nil {
		return err
	}
	return w.replace(ctx, byDocker, docker, func(victim *task) error {
		took, err := d.replaced(ctx)
		if err != nil {
			return err
		}
		docker.Floor.add(took.Seconds())
		found, err := d.ContainerInspect(ctx, victim.Containers[0].RuntimeID, client.ContainerInspectOptions{})
		if err != nil {
			return err
		}
		victim.Containers[0].RuntimeID = strconv.Itoa(found.Container.State.Pid)
		return nil
	})
}

// replace kills the containers of a service one after another; before each, prepare puts the pid in place of the
// runtime's id.
func (w *world) replace(ctx context.Context, m *maitred, f *figure, prepare func(*task) error) error {
	const service = "victims"
	victims, err := w.victims(ctx, m, service, 3*w.n)
	if err != nil {
		return err
	}
	w.progress("kill %d containers", len(victims))
	var unused figure
	for i := range victims {
		if err := prepare(&victims[i]); err != nil {
			return err
		}
		if err := w.kill(ctx, m, service, &victims[i], f, &unused); err != nil {
			return err
		}
	}
	return m.scale(ctx, service, 0)
}

// victims starts a service and lets its tasks run for a while.
func (w *world) victims(ctx context.Context, m *maitred, service string, n int) ([]task, error) {
	if err := m.createService(ctx, service, n); err != nil {
		return nil, err
	}
	if err := m.untilRunning(ctx, service, n, w.pollMany(n)); err != nil {
		return nil, fmt.Errorf("%s do not run: %w", service, err)
	}
	arns, err := m.list(ctx, service)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, settleIn); err != nil {
		return nil, err
	}
	return m.describe(ctx, arns...)
}

// idleContainers looks at many tasks that do nothing.
func (w *world) idleContainers(ctx context.Context, m *maitred) error {
	const many = 200
	pids, err := m.all()
	if err != nil {
		return err
	}
	bare, err := watch(ctx, pids...)
	if err != nil {
		return err
	}
	if err := m.createService(ctx, "idle", many); err != nil {
		return err
	}
	if err := m.untilRunning(ctx, "idle", many, w.pollMany(many)); err != nil {
		return err
	}
	w.progress("idle: %d containers, %v", many, calmAfter+idleFor)
	full, err := watch(ctx, pids...)
	if err != nil {
		return err
	}
	cpu := w.figure(figure{Name: "processor time a second per idle task, oci", Unit: seconds, What: "none", Goal: limit{Amount: 100e-6}})
	cpu.Ours.add(max(0, full.cpu-bare.cpu) / 100 / many)
	memory, err := memoryOf(pids...)
	if err != nil {
		return err
	}
	size := w.figure(figure{Name: fmt.Sprintf("RSS of all of maitred, %d tasks, oci", many), Unit: bytes, What: "none", Goal: limit{Amount: 150 << 20}})
	size.Ours.add(memory.RSS)
	return m.scale(ctx, "idle", 0)
}

// all are the pids of maitred and its keeper.
func (m *maitred) all() ([]int, error) {
	pids, err := keepersOf(m.dir)
	for _, p := range m.procs {
		pids = append(pids, p.Process.Pid)
	}
	return pids, err
}
