package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// proxy is a program between clients and the backend.
type proxy struct {
	name   string
	http   string // address of its HTTP listener
	stream string // of its TCP listener, "" for none
	pids   func() ([]int, error)
	stop   func() error
}

// running is a program that we have started. It leads a process group, which is ended with it.
type running struct{ *exec.Cmd }

func (w *world) launch(ctx context.Context, program string, args ...string) (*running, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	return &running{cmd}, cmd.Start()
}

func (r *running) stop() error {
	_ = syscall.Kill(-r.Process.Pid, syscall.SIGTERM)
	force := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-r.Process.Pid, syscall.SIGKILL) })
	defer force.Stop()
	var exit *exec.ExitError
	if err := r.Wait(); err != nil && !errors.As(err, &exit) { // how it dies is its own affair
		return err
	}
	return nil
}

// pids are those of the program and its children.
func (r *running) pids() ([]int, error) {
	children, err := childrenOf(r.Process.Pid)
	return append(children, r.Process.Pid), err
}

// startBackend runs the backend in a process of its own, at n addresses.
func (w *world) startBackend(ctx context.Context, n int) (addresses []string, r *running, err error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), w.self, childBackend, strconv.Itoa(n))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	r = &running{cmd}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, errors.Join(err, r.stop())
	}
	return strings.Fields(line), r, nil
}

// freePorts gives two addresses.
func freePorts(ctx context.Context) (a, b string, err error) {
	first, err := freePort(ctx)
	if err != nil {
		return "", "", err
	}
	second, err := freePort(ctx)
	return fmt.Sprintf("127.0.0.1:%d", first), fmt.Sprintf("127.0.0.1:%d", second), err
}

// streamModule is where Debian has it.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

const nginxHTTP = `%s
daemon off; worker_processes 2; pid %[2]s/nginx.pid; error_log %[2]s/nginx.log;
events { worker_connections 4096; }
http {
  access_log %[2]s/nginx-access.log combined buffer=64k flush=1s;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
  keepalive_requests 100000000; proxy_max_temp_file_size 0;
  upstream backend { server %[3]s; keepalive 512; keepalive_requests 100000000; }
  server {
    listen %[4]s;
    location / {
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;
    }
  }
}
`

const nginxStream = `stream { server { listen %s; proxy_pass %s; } }
`

// startNginx runs nginx with an access log and the usual X-Forwarded fields.
func (w *world) startNginx(ctx context.Context, backend string) (*proxy, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("%w (Debian: nginx-light and libnginx-mod-stream)", err)
	}
	web, stream, err := freePorts(ctx)
	if err != nil {
		return nil, err
	}
	begin, end := "", ""
	if os.Geteuid() == 0 {
		begin = "user root;"
	}
	if _, err := os.Stat(streamModule); err == nil {
		begin += " load_module " + streamModule + ";"
		end = fmt.Sprintf(nginxStream, stream, backend)
	} else {
		w.missing("nginx stream: there is no %s (Debian: libnginx-mod-stream)", streamModule)
		stream = ""
	}
	config := filepath.Join(w.base, "nginx.conf")
	if err := os.WriteFile(config, []byte(fmt.Sprintf(nginxHTTP, begin, w.base, backend, web)+end), 0o600); err != nil {
		return nil, err
	}
	r, err := w.launch(ctx, program, "-c", config, "-p", w.base, "-e", filepath.Join(w.base, "nginx.log"))
	if err != nil {
		return nil, err
	}
	return &proxy{name: "nginx", http: web, stream: stream, pids: r.pids, stop: r.stop}, nil
}

const haproxyConfig = `global
  nbthread 2
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
  option forwardfor
frontend web
  bind %s
  default_backend backend
backend backend
  server one %s
`

// startHaproxy runs haproxy. It logs to syslog alone, and here to nothing, which is in its favour.
func (w *world) startHaproxy(ctx context.Context, backend string) (*proxy, error) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		return nil, fmt.Errorf("%w (Debian: haproxy)", err)
	}
	web, _, err := freePorts(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(w.base, "haproxy.cfg")
	if err := os.WriteFile(config, []byte(fmt.Sprintf(haproxyConfig, web, backend)), 0o600); err != nil {
		return nil, err
	}
	r, err := w.launch(ctx, program, "-db", "-q", "-f", config)
	if err != nil {
		return nil, err
	}
	return &proxy{name: "haproxy", http: web, pids: r.pids, stop: r.stop}, nil
}

// startBalancers runs maitred up with an Application and a Network Load Balancer before the backend.
func (w *world) startBalancers(ctx context.Context, backend string) (*proxy, error) {
	dir, err := w.dataDir()
	if err != nil {
		return nil, err
	}
	m, err := w.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	p := &proxy{name: "maitred", stop: m.stop, pids: func() ([]int, error) { return []int{m.procs[0].Process.Pid}, nil }}
	e := elb{m.api}
	if p.http, _, err = e.balancer(ctx, "application", "HTTP", backend); err == nil {
		p.stream, _, err = e.balancer(ctx, "network", "TCP", backend)
	}
	if err != nil {
		return nil, errors.Join(err, m.stop())
	}
	return p, nil
}
