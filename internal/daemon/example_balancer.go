package daemon

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// balanceExample makes the load balancer of the example, through the API as anybody would, and gives the ARN of its target
// group. What is there from an earlier start is used again.
func (s *server) balanceExample(ctx context.Context) (group string, err error) {
	subnets, vpc := url.Values{"Name": {exampleWeb}}, ""
	n := 0
	for subnet := range s.store.View().Subnets(s.cfg.Region) {
		n++
		vpc = subnet.VPC
		subnets.Set("Subnets.member."+strconv.Itoa(n), subnet.ID)
	}
	balancer, err := s.form(ctx, "CreateLoadBalancer", subnets)
	if err != nil {
		return "", err
	}
	group, err = s.form(ctx, "CreateTargetGroup", url.Values{
		"Name": {exampleWeb}, "Protocol": {"HTTP"}, "Port": {strconv.Itoa(examplePort)}, "TargetType": {"ip"}, "VpcId": {vpc},
		"HealthCheckPath": {"/healthz"}, "HealthCheckIntervalSeconds": {"5"}, "HealthCheckTimeoutSeconds": {"2"},
	})
	if err != nil {
		return "", err
	}
	for range s.store.View().Listeners(balancer) {
		return group, nil
	}
	lb, ok := s.store.View().LoadBalancer(balancer)
	if !ok {
		return "", fmt.Errorf("the load balancer %s is gone", balancer)
	}
	_, err = s.form(ctx, "CreateListener", url.Values{
		"LoadBalancerArn": {balancer}, "Protocol": {"HTTP"}, "Port": {strconv.Itoa(s.examplePort(ctx, lb.Address))},
		"DefaultActions.member.1.Type": {"forward"}, "DefaultActions.member.1.TargetGroupArn": {group},
	})
	return group, err
}

// examplePort is the port of the example's listener: examplePort, or another one where somebody has that.
func (s *server) examplePort(ctx context.Context, address string) int {
	var config net.ListenConfig
	for _, port := range []string{strconv.Itoa(examplePort), "0"} {
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(address, port))
		if err != nil {
			continue
		}
		_ = l.Close() // it was only to see whether the port is free
		if at, ok := l.Addr().(*net.TCPAddr); ok {
			return at.Port
		}
	}
	return examplePort
}

// form calls an operation of our own ELB API, and gives the first ARN of its answer.
func (s *server) form(ctx context.Context, action string, in url.Values) (arn string, err error) {
	in.Set("Action", action)
	in.Set("Version", "2015-12-01")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(in.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	text, err := send(req, action)
	if err != nil {
		return "", err
	}
	var answer struct {
		Balancers []string `xml:"CreateLoadBalancerResult>LoadBalancers>member>LoadBalancerArn"`
		Groups    []string `xml:"CreateTargetGroupResult>TargetGroups>member>TargetGroupArn"`
	}
	if err := xml.Unmarshal(text, &answer); err != nil {
		return "", fmt.Errorf("%s answered %s: %w", action, text, err)
	}
	for _, arn := range append(answer.Balancers, answer.Groups...) {
		return arn, nil
	}
	return "", nil
}

// balanced is the address at which a load balancer serves a service, "" if none does.
func (s *server) balanced(service string) string {
	v := s.store.View()
	svc, ok := v.Service(service)
	if !ok {
		return ""
	}
	d, ok := v.Deployment(service, svc.Primary)
	if !ok || len(d.LoadBalancers) == 0 {
		return ""
	}
	for l := range v.Listeners("") {
		lb, ok := v.LoadBalancer(l.LoadBalancer)
		for i := range l.Actions {
			if f := l.Actions[i].Forward; ok && f != nil && f.Groups[0].Group == d.LoadBalancers[0].Group {
				return net.JoinHostPort(lb.Address, strconv.Itoa(l.Port))
			}
		}
	}
	return ""
}

// answering waits until a load balancer passes on the answers of healthy targets.
func (s *server) answering(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, exampleWait)
	defer cancel()
	watcher := s.store.Watch(model.KindTargetHealth, model.KindBalancer)
	defer watcher.Close()
	for {
		_, _, view := watcher.Snapshot()
		for b := range view.Balancers() {
			for listener, why := range b.Failed {
				return fmt.Errorf("the listener %s cannot be served: %s", listener, why)
			}
		}
		why := get(ctx, "http://"+address+"/")
		if why == nil {
			return nil
		}
		select {
		case <-watcher.C():
		case <-time.After(answerPause): // the balancer looks at what was written a moment later
		case <-ctx.Done():
			return fmt.Errorf("the load balancer does not answer at %s: %w", address, why)
		}
	}
}

const answerPause = 50 * time.Millisecond

// get says why a page cannot be had, nil if it can.
func get(ctx context.Context, page string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return err
	}
	_, err = send(req, page)
	return err
}
