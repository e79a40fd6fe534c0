package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// scalings measures how fast counts follow what is measured, on the fast lane, by each driver that there is.
func scalings(ctx context.Context, w *world) error {
	program := filepath.Join(w.base, "worker")
	if err := build(ctx, program, "./bench/worker"); err != nil {
		return err
	}
	for driver := range strings.SplitSeq(w.drivers, ",") {
		image := program
		if driver == "oci" {
			if _, err := exec.LookPath("runc"); err != nil || os.Getuid() != 0 {
				w.missing("scaling with the oci driver, which needs root and runc")
				continue
			}
			var err error
			if image, err = ociLayout(filepath.Join(w.base, "scaling"), program); err != nil {
				return err
			}
		}
		if err := w.scaleWith(ctx, driver, image); err != nil {
			return fmt.Errorf("%s: %w", driver, err)
		}
	}
	return nil
}

// rig is a maitred whose services are scaled.
type rig struct {
	*world
	m             *maitred
	driver, image string
	redis         string // address of a server, "" if there is none
	watch         context.Context
	busy          sync.WaitGroup // what ends with watch
	notesMu       sync.Mutex     // of the notes of the world
}

func (w *world) scaleWith(ctx context.Context, driver, image string) (err error) {
	dir, err := w.dataDir()
	if err != nil {
		return err
	}
	m, err := w.startWith(ctx, dir, driver)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	watch, stop := context.WithCancel(ctx)
	r := &rig{world: w, m: m, driver: driver, image: image, watch: watch}
	defer func() { stop(); r.busy.Wait() }()
	if err := r.startRedis(); err != nil {
		w.missing("scaling by a backlog: %v", err)
	}
	return r.run(ctx)
}

// run measures one service after the other, and then waits for all of them to be back.
func (r *rig) run(ctx context.Context) error {
	var all []*scaled
	for _, c := range r.cases() {
		s, err := r.make(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for i := range r.n {
			r.progress("scaling by %s, %s, %d of %d", c.name, r.driver, i+1, r.n)
			if err := s.sample(ctx, i+1 == r.n); err != nil {
				return fmt.Errorf("%s, %d of %d: %w", c.name, i+1, r.n, err)
			}
		}
		all = append(all, s)
	}
	for _, s := range slices.Backward(all) { // the backlog takes longest, and does not mind other load
		if s.load == nil && r.replay > 0 && r.driver == "process" {
			if err := r.compare(ctx, all); err != nil {
				return err
			}
		}
		if err := s.back(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// scaleCase is a service and how it is loaded.
type scaleCase struct {
	name         string
	least, right int    // tasks, at rest and under load
	path         string // of requests
	rest, load   int64  // requests a second
	policy       func(balancer, group string) object
	tags         []object
}

// Of requests, each task shall have perTask a second; those that keep a processor busy do so for busyFor.
const (
	perTask   = 60
	busyFor   = 10 * time.Millisecond
	messages  = 10_000
	perWorker = 1000
	cpuUnits  = 64 // of 1,024 to a core
	cpuTarget = 50
)

func (r *rig) cases() []scaleCase {
	fast := []object{{"key": "maitred:scaling", "value": "fast"}}
	predefined := func(target float64, metric object) object {
		return object{"TargetValue": target, "PredefinedMetricSpecification": metric}
	}
	all := []scaleCase{{
		name: "requests", least: 1, right: 4, path: "/", rest: perTask / 2, load: 4 * perTask, tags: fast,
		policy: func(balancer, group string) object {
			_, lb, _ := strings.Cut(balancer, "loadbalancer/")
			_, tg, _ := strings.Cut(group, ":targetgroup/")
			return predefined(60*perTask, object{"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": lb + "/targetgroup/" + tg})
		},
	}, {
		// A task at its target value answers 3 requests a second: few, as the machine may have other things to do.
		name: "CPU", least: 1, right: 4, path: "/?busy=" + strconv.Itoa(int(busyFor.Microseconds())), rest: 2, load: 12, tags: fast,
		policy: func(string, string) object {
			return predefined(cpuTarget, object{"PredefinedMetricType": "ECSServiceAverageCPUUtilization"})
		},
	}}
	if r.redis == "" {
		return all
	}
	return append([]scaleCase{{ // the first: it takes longest to be back
		name: "backlog", right: messages / perWorker,
		tags: []object{{"key": "maitred:backlog", "value": "redis://" + r.redis + "/0 list=jobs"}},
		policy: func(string, string) object {
			return object{"TargetValue": perWorker, "CustomizedMetricSpecification": object{
				"Namespace": "Maitred", "MetricName": "BacklogPerTask", "Statistic": "Average",
				"Dimensions": []object{{"Name": "ClusterName", "Value": "default"}, {"Name": "ServiceName", "Value": "backlog"}},
			}}
		},
	}}, all...)
}

// scaled is a service that is scaled.
type scaled struct {
	scaleCase
	rig     *rig
	counts  *history
	load    *arrivals // nil for the backlog
	input   object    // of PutScalingPolicy
	last    time.Time // when the load of the last sample began
	figures struct{ desired, right, running, served *figure }
}

// make makes a service with its load balancer, and its policy.
func (r *rig) make(ctx context.Context, c scaleCase) (*scaled, error) {
	s := &scaled{scaleCase: c, rig: r, counts: newHistory()}
	s.name = strings.ToLower(c.name)
	service := object{"serviceName": s.name, "taskDefinition": s.name, "desiredCount": c.least, "tags": c.tags}
	e, balancer, group := elb{api: r.m.api}, "", ""
	if c.path != "" {
		var address string
		var err error
		if balancer, group, address, err = e.ownFront(ctx, s.name); err != nil {
			return nil, err
		}
		service["loadBalancers"] = []object{{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}}
		s.load = newArrivals("http://" + address + c.path)
	}
	if err := r.define(ctx, s.name); err != nil {
		return nil, err
	}
	if err := r.m.call(ctx, "CreateService", service, nil); err != nil {
		return nil, err
	}
	s.declare(c.name)
	r.busy.Go(func() { s.counts.follow(r.watch, newAPI(r.m.url), s.name) })
	if err := s.counts.until(ctx, readyTimeout, s.settled); err != nil {
		return nil, err
	}
	err := s.begin(ctx, balancer, group)
	return s, err
}

// begin puts the policy, and lets requests come.
func (s *scaled) begin(ctx context.Context, balancer, group string) error {
	if err := s.bound(ctx, 2*s.right); err != nil {
		return err
	}
	s.input = s.with(object{
		"PolicyName": "track", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": s.policy(balancer, group),
	})
	if err := s.rig.m.invoke(ctx, autoscaling+"PutScalingPolicy", s.input, nil); err != nil {
		return err
	}
	if s.load != nil {
		s.load.rate.Store(s.rest)
		s.rig.busy.Go(func() { s.load.run(s.rig.watch) })
	}
	return nil
}

const autoscaling = "AnyScaleFrontendService."

func (s *scaled) settled(m moment) bool { return m.desired == s.least && m.running == s.least }

// declare declares the figures.
func (s *scaled) declare(title string) {
	of := func(what string, goal float64) *figure {
		return s.rig.figure(figure{
			Name: "load by " + title + " → " + what + ", " + s.rig.driver, Unit: seconds, What: "none", Goal: limit{Amount: goal},
		})
	}
	if s.path == "" {
		s.figures.desired = of("desired count changed", 0)
		s.figures.right = of(fmt.Sprintf("%d desired", s.right), 0)
		s.figures.running = of(fmt.Sprintf("%d RUNNING", s.right), 3)
		return
	}
	s.figures.desired = of("desired count changed", 2)
	s.figures.running = of("a new task RUNNING", 0)
	s.figures.served = of("answered by a new task", 3)
	s.figures.right = of(fmt.Sprintf("%d desired", s.right), 0)
}

// The times of a sample: for how long the load lasts at most, and for how long it is remembered by the fast lane.
const (
	loadLasts  = 30 * time.Second
	loadMemory = 9 * time.Second
)

// sample steps the load up and, unless it is the last one, has the service be as before.
func (s *scaled) sample(ctx context.Context, last bool) error {
	if err := rest(ctx, loadMemory); err != nil {
		return err
	}
	began, err := s.stepUp()
	if err != nil {
		return err
	}
	s.last = began
	if err := s.measure(ctx, began); err != nil {
		return err
	}
	if last {
		return s.drain(ctx)
	}
	if err := s.stepDown(); err != nil {
		return err
	}
	if err := rest(ctx, loadMemory); err != nil {
		return err
	}
	// UpdateService with the count that was declared would say nothing new; bounds do.
	if err := s.bound(ctx, s.least); err != nil {
		return err
	}
	if err := s.counts.until(ctx, readyTimeout, s.settled); err != nil {
		return err
	}
	return s.bound(ctx, 2*s.right)
}

// bound sets how many tasks there may be.
func (s *scaled) bound(ctx context.Context, most int) error {
	return s.rig.m.invoke(ctx, autoscaling+"RegisterScalableTarget", s.with(object{"MinCapacity": s.least, "MaxCapacity": most}), nil)
}

// with gives members to what names the service for Application Auto Scaling.
func (s *scaled) with(more object) object {
	all := object{
		"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceId": "service/default/" + s.name,
	}
	maps.Copy(all, more)
	return all
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// measure waits for what follows from a step.
func (s *scaled) measure(ctx context.Context, began time.Time) error {
	enough := func(m moment) bool { return m.desired >= s.right && m.running >= s.right }
	if err := s.counts.until(ctx, loadLasts, enough); err != nil {
		return fmt.Errorf("%d tasks do not run in %v: %w", s.right, loadLasts, err)
	}
	f := &s.figures
	add := func(to *figure, at time.Time) {
		if !at.IsZero() {
			to.Ours.add(at.Sub(began).Seconds())
		}
	}
	add(f.desired, s.counts.first(began, func(m moment) bool { return m.desired > s.least }))
	add(f.right, s.counts.first(began, func(m moment) bool { return m.desired >= s.right }))
	if s.load == nil {
		add(f.running, s.counts.first(began, enough))
		return nil
	}
	add(f.running, s.counts.first(began, func(m moment) bool { return m.running > s.least }))
	if err := rest(ctx, time.Second); err != nil {
		return err
	}
	add(f.served, s.load.firstNew(began))
	return nil
}

// stepUp is the load, from the moment on that it gives.
func (s *scaled) stepUp() (time.Time, error) {
	if s.load != nil {
		s.load.rate.Store(s.scaleCase.load)
		return time.Now(), nil
	}
	err := s.rig.redisDo("EVAL", "for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', KEYS[1], i) end", 1, "jobs", messages)
	return time.Now(), err
}

func (s *scaled) stepDown() error {
	if s.load != nil {
		s.load.rate.Store(s.rest)
		return nil
	}
	return s.rig.redisDo("DEL", "jobs")
}

// drain ends the load of the last sample: requests at once, the messages as workers would take them.
func (s *scaled) drain(ctx context.Context) error {
	for left := messages; s.load == nil && left > 0; left -= messages / 20 {
		if err := s.rig.redisDo("LTRIM", "jobs", messages/20, -1); err != nil {
			return err
		}
		if err := rest(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return s.stepDown()
}

// back waits until there are as many tasks as before the last step, and tells how often the count was changed.
func (s *scaled) back(ctx context.Context) error {
	if s.last.IsZero() { // -n 0: only what is replayed is of interest
		return nil
	}
	s.rig.progress("scaling by %s, %s: waiting until it is back", s.name, s.rig.driver)
	if err := s.counts.until(ctx, s.rig.back, s.settled); err != nil {
		return fmt.Errorf("it is not back at %d tasks after %s: %w", s.least, s.rig.back, err)
	}
	over := s.counts.first(s.last.Add(time.Millisecond), s.settled)
	counts := s.counts.changes(s.last, over)
	text := fmt.Sprintf("Load by %s, %s, the last step: desired counts %v until it was back %s after the step; %d changes, %d times in the other direction than before",
		s.name, s.rig.driver, counts, over.Sub(s.last).Round(time.Second), len(counts)-1, turns(counts))
	if s.load != nil {
		failed, sent, err := s.load.failures()
		text += fmt.Sprintf("; of %d requests %d failed", sent, failed)
		if err != nil {
			text += fmt.Sprintf(" (%v)", err)
		}
	}
	s.rig.note(text + ".")
	return nil
}

// define registers the worker as a task definition.
func (r *rig) define(ctx context.Context, family string) error {
	app := object{
		"name": "app", "image": r.image, "cpu": cpuUnits, "memory": 64, "essential": true, "portMappings": []object{{"containerPort": 8080}},
	}
	if family == "backlog" {
		app["cpu"] = 4
		delete(app, "portMappings")
	}
	definition := object{"family": family, "containerDefinitions": []object{app}}
	if r.driver == "process" { // it shall not be reached from other machines; without a load balancer its port is any
		environment := []object{{"name": "ADDRESS", "value": "127.0.0.1"}}
		if family == "backlog" {
			environment = append(environment, object{"name": "PORT", "value": "0"})
		}
		app["environment"] = environment
	} else {
		definition["networkMode"] = "bridge"
	}
	return r.m.call(ctx, "RegisterTaskDefinition", definition, nil)
}

// ownFront makes an Application Load Balancer with a listener and a target group of its own.
func (e elb) ownFront(ctx context.Context, name string) (balancer, group, address string, err error) {
	vpc, err := e.query(ctx, ec2Version, "DescribeVpcs", url.Values{}, "vpcId")
	if err != nil {
		return "", "", "", err
	}
	groups, err := e.query(ctx, elbVersion, "CreateTargetGroup", url.Values{
		"Name": {name}, "Protocol": {"HTTP"}, "Port": {"8080"}, "TargetType": {"instance"}, "VpcId": {vpc[0]}, "HealthCheckIntervalSeconds": {"5"},
		"HealthCheckTimeoutSeconds": {"2"},
	}, "TargetGroupArn")
	if err != nil {
		return "", "", "", err
	}
	if _, err := e.query(ctx, elbVersion, "ModifyTargetGroupAttributes", url.Values{
		"TargetGroupArn": {groups[0]}, "Attributes.member.1.Key": {"deregistration_delay.timeout_seconds"}, "Attributes.member.1.Value": {"5"},
	}); err != nil {
		return "", "", "", err
	}
	balancer, _, address, err = e.listen(ctx, name, "application", "HTTP", groups[0])
	return balancer, groups[0], address, err
}

// startRedis runs a server that ends with the rig.
func (r *rig) startRedis() error {
	port, err := freePort(r.watch)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(r.watch, "redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", r.base)
	if err := cmd.Start(); err != nil {
		return err
	}
	r.busy.Go(func() { _ = cmd.Wait() }) // says that it was killed
	r.redis = fmt.Sprintf("127.0.0.1:%d", port)
	ctx, cancel := context.WithTimeout(r.watch, readyTimeout)
	defer cancel()
	return wait(ctx, 10*time.Millisecond, func() (bool, error) { return r.redisDo("PING") == nil, nil })
}

func (r *rig) redisDo(command string, args ...any) error {
	c, err := redis.DialContext(r.watch, "tcp", r.redis)
	if err != nil {
		return err
	}
	_, err = redis.DoContext(c, r.watch, command, args...)
	return errors.Join(err, c.Close())
}
