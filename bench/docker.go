package main

import (
	"archive/tar"
	stdbytes "bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// dockerImage is the sleeper as an image of the Docker daemon.
const dockerImage = "maitred-bench:sleeper"

// dockerd is the Docker daemon that the environment names.
type dockerd struct {
	*client.Client
	serial atomic.Int64
	swarm  bool // it was made a swarm of one node, to be undone
}

func openDocker(ctx context.Context, sleeper string) (*dockerd, error) {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return nil, err
	}
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	d := &dockerd{Client: c}
	if err := d.load(ctx, sleeper); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return d, nil
}

// load makes the image, from nothing.
func (d *dockerd) load(ctx context.Context, sleeper string) error {
	root, err := tarOf(sleeper)
	if err != nil {
		return err
	}
	answer, err := d.ImageImport(ctx, client.ImageImportSource{Source: stdbytes.NewReader(root), SourceName: "-"}, dockerImage,
		client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/sleeper"]`}})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer)
	return errors.Join(err, answer.Close())
}

// tarOf is an archive of one program.
func tarOf(sleeper string) ([]byte, error) {
	program, err := os.ReadFile(sleeper)
	if err != nil {
		return nil, err
	}
	var b stdbytes.Buffer
	w := tar.NewWriter(&b)
	err = w.WriteHeader(&tar.Header{Name: "sleeper", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = w.Write(program)
	}
	return b.Bytes(), errors.Join(err, w.Close())
}

func (d *dockerd) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	if d.swarm {
		_, err := d.SwarmLeave(ctx, client.SwarmLeaveOptions{Force: true})
		errs = append(errs, err)
	}
	_, err := d.ImageRemove(ctx, dockerImage, client.ImageRemoveOptions{Force: true})
	return errors.Join(append(errs, err, d.Close())...)
}

// one creates and starts a container by two calls, and gives its id.
func (d *dockerd) one(ctx context.Context) (string, error) {
	created, err := d.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:   fmt.Sprintf("maitred-bench-%d-%d", os.Getpid(), d.serial.Add(1)),
		Config: &container.Config{Image: dockerImage},
	})
	if err != nil {
		return "", err
	}
	_, err = d.ContainerStart(ctx, created.ID, client.ContainerStartOptions{})
	return created.ID, err
}

// bare starts n containers with some workers, and gives their ids and how long that took.
func (d *dockerd) bare(ctx context.Context, n, workers int) (ids []string, took time.Duration, err error) {
	ids = make([]string, n)
	errs := make([]error, workers)
	var group sync.WaitGroup
	began := time.Now()
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += workers {
				ids[i], errs[worker] = d.one(ctx)
			}
		})
	}
	group.Wait()
	return ids, time.Since(began), errors.Join(errs...)
}

func (d *dockerd) remove(ctx context.Context, ids []string) error {
	errs := make([]error, len(ids))
	var group sync.WaitGroup
	for i, id := range ids {
		if id != "" {
			group.Go(func() {
				_, errs[i] = d.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true})
			})
		}
	}
	group.Wait()
	return errors.Join(errs...)
}

// replaced is how long it takes from kill -9 of a container's program, by way of the daemon's event, until another one
// has been created and started.
func (d *dockerd) replaced(ctx context.Context) (took time.Duration, err error) {
	first, err := d.one(ctx)
	if err != nil {
		return 0, err
	}
	found, err := d.ContainerInspect(ctx, first, client.ContainerInspectOptions{})
	if err != nil {
		return 0, err
	}
	listening, stop := context.WithCancel(ctx)
	defer stop()
	heard := d.Events(listening, client.EventsListOptions{Filters: client.Filters{}.Add("container", first).Add("event", "die")})
	began := time.Now()
	if err := syscall.Kill(found.Container.State.Pid, syscall.SIGKILL); err != nil {
		return 0, err
	}
	for died := false; !died; {
		select {
		case e := <-heard.Messages:
			died = e.Action == events.ActionDie
		case err := <-heard.Err:
			return 0, err
		}
	}
	second, err := d.one(ctx)
	took = time.Since(began)
	return took, errors.Join(err, d.remove(ctx, []string{first, second}))
}

// swarmUp makes the daemon a swarm of one node, unless it is one.
func (d *dockerd) swarmUp(ctx context.Context) error {
	info, err := d.Info(ctx, client.InfoOptions{})
	if err != nil {
		return err
	}
	if info.Info.Swarm.LocalNodeState == swarm.LocalNodeStateActive {
		return nil
	}
	_, err = d.SwarmInit(ctx, client.SwarmInitOptions{ListenAddr: "127.0.0.1:0", AdvertiseAddr: "127.0.0.1"})
	d.swarm = err == nil
	return err
}

// swarmService is how long Swarm takes from the creation of a service until n tasks of it run.
func (d *dockerd) swarmService(ctx context.Context, n int, poll time.Duration) (took time.Duration, err error) {
	replicas := uint64(n)
	began := time.Now()
	made, err := d.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: fmt.Sprintf("maitred-bench-%d", d.serial.Add(1))},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: dockerImage}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
	}})
	if err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	err = wait(limited, poll, func() (bool, error) { return d.swarmRuns(limited, made.ID, n) })
	took = time.Since(began)
	_, gone := d.ServiceRemove(ctx, made.ID, client.ServiceRemoveOptions{})
	return took, errors.Join(err, gone, d.swarmEmpty(ctx, poll))
}

func (d *dockerd) swarmRuns(ctx context.Context, service string, n int) (bool, error) {
	tasks, err := d.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})
	running := 0
	for i := range tasks.Items {
		if tasks.Items[i].Status.State == swarm.TaskStateRunning {
			running++
		}
	}
	return running == n, err
}

// swarmEmpty waits until no container of a service is left: what Swarm stops late must not take of the next one's time.
func (d *dockerd) swarmEmpty(ctx context.Context, poll time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return wait(limited, 10*poll, func() (bool, error) {
		left, err := d.ContainerList(limited, client.ContainerListOptions{
			All: true, Filters: client.Filters{}.Add("label", "com.docker.swarm.task"),
		})
		return len(left.Items) == 0, err
	})
}
