package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// daemon is the image store of a Docker daemon as the source of an image, which it saves into a temporary archive. Two
// requests of Docker's API are all that it takes, so no client of Docker is needed. The digest is the daemon's id.
type daemon struct {
	endpoint string
	name     string
	idle     time.Duration
	temp     string // directory
	room     func() error
	archive
}

const defaultDocker = "unix:///var/run/docker.sock"

func (d *daemon) digest(ctx context.Context) (string, error) {
	resp, err := d.get(ctx, "/images/"+d.name+"/json")
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var inspected struct {
		ID string `json:"Id"` //nolint:tagliatelle // Docker's name
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxManifest)).Decode(&inspected); err != nil {
		return "", fmt.Errorf("the Docker daemon's answer: %w", err)
	}
	if _, err := v1.NewHash(inspected.ID); err != nil {
		return "", fmt.Errorf("the Docker daemon's answer: id %.100q", inspected.ID)
	}
	return inspected.ID, nil
}

func (d *daemon) find(ctx context.Context, _ string) (*found, error) {
	// Saved by its id, it is the same image even if the name is given to another one now.
	id, err := d.digest(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.save(ctx, id); err != nil {
		return nil, err
	}
	f, err := d.archive.find(ctx, "")
	if err != nil {
		return nil, err
	}
	f.digest = id
	return f, nil
}

// save writes the archive to a file that has no name any more: it is gone when it is closed, whoever dies.
func (d *daemon) save(ctx context.Context, id string) error {
	resp, err := d.get(ctx, "/images/"+id+"/get")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	f, err := os.CreateTemp(d.temp, "docker-*.tar")
	if err != nil {
		return err
	}
	d.file = f.Name()
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = io.Copy(&roomy{w: f, room: d.room}, resp.Body)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return d.scan(ctx)
}

// roomy asks for room now and then.
type roomy struct {
	w    io.Writer
	room func() error
	left int
}

func (r *roomy) Write(p []byte) (int, error) {
	if r.left -= len(p); r.left < 0 {
		r.left = 32 << 20
		if err := r.room(); err != nil {
			return 0, err
		}
	}
	return r.w.Write(p)
}

func (d *daemon) get(ctx context.Context, path string) (*http.Response, error) {
	client, base, err := d.client()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the Docker daemon: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%w in the Docker daemon", errNotFound)
	}
	var answer struct {
		Message string `json:"message"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer)
	return nil, fmt.Errorf("the Docker daemon answers %d %.200s", resp.StatusCode, answer.Message)
}

// client speaks to the daemon's socket, or to its port on this machine: what has no TLS goes no further.
func (d *daemon) client() (client *http.Client, base string, err error) {
	endpoint := cmp.Or(d.endpoint, os.Getenv("DOCKER_HOST"), defaultDocker)
	var network, address string
	if path, ok := strings.CutPrefix(endpoint, "unix://"); ok {
		network, address = "unix", path
	} else if u, err := url.Parse(endpoint); err == nil && u.Scheme == "tcp" && loopback(u.Hostname()) {
		network, address = "tcp", u.Host
	} else {
		return nil, "", errors.New("docker-daemon: is of a Docker daemon at unix:// or at tcp:// on this machine only")
	}
	transport := &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: d.idle,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: d.idle}).DialContext(ctx, network, address)
		},
	}
	return &http.Client{Transport: &guard{inner: transport, idle: d.idle}}, "http://localhost", nil
}
