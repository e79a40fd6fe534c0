package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// elb makes load balancers by the API, as any client does.
type elb struct{ *api }

// query makes one call of a query API, and gives the text of elements of its answer.
func (e elb) query(ctx context.Context, version, action string, args url.Values, elements ...string) ([]string, error) {
	args.Set("Action", action)
	args.Set("Version", version)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader(args.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", action, answer.Status, text)
	}
	var found []string
	for _, name := range elements {
		for _, m := range regexp.MustCompile("<"+name+">([^<]*)</"+name+">").FindAllSubmatch(text, -1) {
			found = append(found, string(m[1]))
		}
	}
	if len(found) < len(elements) {
		return nil, fmt.Errorf("%s: the answer has no %v: %s", action, elements, text)
	}
	return found, nil
}

const (
	elbVersion = "2015-12-01"
	ec2Version = "2016-11-15"
)

// balancer makes a load balancer with a listener and the backends as its targets, and gives the listener's address and the
// ARN of the group.
func (e elb) balancer(ctx context.Context, kind, protocol string, backends ...string) (address, group string, err error) {
	if group, err = e.group(ctx, kind, protocol, backends); err != nil {
		return "", "", err
	}
	address, err = e.front(ctx, kind, protocol, group)
	return address, group, err
}

// front makes a load balancer with a listener that leads to a group, as proxies are measured: with its log and rules.
func (e elb) front(ctx context.Context, kind, protocol, group string) (string, error) {
	balancer, listener, address, err := e.listen(ctx, kind, kind, protocol, group)
	if err != nil || kind != "application" {
		return address, err
	}
	if err := e.logged(ctx, balancer); err != nil {
		return "", err
	}
	return address, e.rules(ctx, listener, group)
}

// listen makes a load balancer with a listener that leads to a group, and gives the ARNs of both and the listener's address.
func (e elb) listen(ctx context.Context, name, kind, protocol, group string) (balancer, listener, address string, err error) {
	subnets, err := e.query(ctx, ec2Version, "DescribeSubnets", url.Values{}, "subnetId")
	if err != nil {
		return "", "", "", err
	}
	args := url.Values{"Name": {name}, "Type": {kind}}
	for i, s := range subnets {
		args.Set("Subnets.member."+strconv.Itoa(i+1), s)
	}
	lb, err := e.query(ctx, elbVersion, "CreateLoadBalancer", args, "LoadBalancerArn", "DNSName")
	if err != nil {
		return "", "", "", err
	}
	port, err := freePort(ctx)
	if err != nil {
		return "", "", "", err
	}
	listeners, err := e.query(ctx, elbVersion, "CreateListener", url.Values{
		"LoadBalancerArn": {lb[0]}, "Protocol": {protocol}, "Port": {strconv.Itoa(port)},
		"DefaultActions.member.1.Type": {"forward"}, "DefaultActions.member.1.TargetGroupArn": {group},
	}, "ListenerArn")
	if err != nil {
		return "", "", "", err
	}
	return lb[0], listeners[0], lb[1] + ":" + strconv.Itoa(port), nil
}

// logged turns the access log on.
func (e elb) logged(ctx context.Context, balancer string) error {
	_, err := e.query(ctx, elbVersion, "ModifyLoadBalancerAttributes", url.Values{
		"LoadBalancerArn":         {balancer},
		"Attributes.member.1.Key": {"access_logs.s3.enabled"}, "Attributes.member.1.Value": {"true"},
		"Attributes.member.2.Key": {"access_logs.s3.bucket"}, "Attributes.member.2.Value": {"logs"},
	})
	return err
}

func (e elb) group(ctx context.Context, kind, protocol string, backends []string) (string, error) {
	vpc, err := e.query(ctx, ec2Version, "DescribeVpcs", url.Values{}, "vpcId")
	if err != nil {
		return "", err
	}
	_, port, _ := strings.Cut(backends[0], ":")
	group, err := e.query(ctx, elbVersion, "CreateTargetGroup", url.Values{
		"Name": {kind}, "Protocol": {protocol}, "Port": {port}, "TargetType": {"ip"}, "VpcId": {vpc[0]},
	}, "TargetGroupArn")
	if err != nil {
		return "", err
	}
	return group[0], e.targets(ctx, "RegisterTargets", group[0], backends)
}

// targets registers or deregisters targets by one call.
func (e elb) targets(ctx context.Context, action, group string, addresses []string) error {
	args := url.Values{"TargetGroupArn": {group}}
	for i, a := range addresses {
		host, port, _ := strings.Cut(a, ":")
		member := "Targets.member." + strconv.Itoa(i+1)
		args.Set(member+".Id", host)
		args.Set(member+".Port", port)
	}
	_, err := e.query(ctx, elbVersion, action, args)
	return err
}

// rules makes ten rules, the last of which is the one that the requests of the load match.
func (e elb) rules(ctx context.Context, listener, group string) error {
	for i := range 10 {
		field, value := "host-header", fmt.Sprintf("service-%d.example.com", i)
		if i%2 == 1 {
			field, value = "path-pattern", fmt.Sprintf("/api/v%d/*", i)
		}
		if i == 9 {
			value = "/path*"
		}
		_, err := e.query(ctx, elbVersion, "CreateRule", url.Values{
			"ListenerArn": {listener}, "Priority": {strconv.Itoa(10 * (i + 1))},
			"Conditions.member.1.Field": {field}, "Conditions.member.1.Values.member.1": {value},
			"Actions.member.1.Type": {"forward"}, "Actions.member.1.TargetGroupArn": {group},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
