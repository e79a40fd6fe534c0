package elbv2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/model"
)

// bad is a world with one of everything, and short forms of requests that go wrong.
type bad struct {
	*world
	lb, nlb, l, nl, rule, standard, g, tcp, used, instance, cert, subnet, vpc string
}

func newBad(t *testing.T) *bad {
	w := newWorld(t)
	b := &bad{world: w, cert: w.certificate("c"), subnet: w.subnets()[0], vpc: w.vpc()}
	b.lb, b.nlb = w.balancer("web", ""), w.balancer("net", "network")
	b.g, b.tcp, b.used = w.group("free", "HTTP"), w.group("tcp", "TCP"), w.group("used", "HTTP")
	b.l, b.nl = w.listener(b.lb, "HTTP", 80, b.used), w.listener(b.nlb, "TCP", 80, b.tcp)
	b.rule = w.rule(b.l, 10, b.used)
	b.standard = *must(w.DescribeRules(t.Context(), &client.DescribeRulesInput{ListenerArn: &b.l}))(t).Rules[1].RuleArn
	b.instance = *must(w.CreateTargetGroup(t.Context(), &client.CreateTargetGroupInput{
		Name: aws.String("instance"), Protocol: "HTTP", Port: aws.Int32(80), VpcId: &b.vpc,
	}))(t).TargetGroups[0].TargetGroupArn
	w.put(&model.Machine{ID: "m1", Host: "node-1"}) // has no address
	return b
}

func (b *bad) newBalancer(edit func(*client.CreateLoadBalancerInput)) error {
	in := &client.CreateLoadBalancerInput{Name: aws.String("new"), Subnets: b.subnets()}
	edit(in)
	return failure(b.CreateLoadBalancer(b.t.Context(), in))
}

func (b *bad) newGroup(edit func(*client.CreateTargetGroupInput)) error {
	in := &client.CreateTargetGroupInput{Name: aws.String("new"), Protocol: "HTTP", Port: aws.Int32(80), VpcId: &b.vpc, TargetType: "ip"}
	edit(in)
	return failure(b.CreateTargetGroup(b.t.Context(), in))
}

func (b *bad) newListener(edit func(*client.CreateListenerInput)) error {
	in := &client.CreateListenerInput{LoadBalancerArn: &b.lb, Protocol: "HTTP", Port: aws.Int32(81), DefaultActions: fixed("200")}
	edit(in)
	return failure(b.CreateListener(b.t.Context(), in))
}

func (b *bad) actions(actions ...elb.Action) error {
	return b.newListener(func(in *client.CreateListenerInput) { in.DefaultActions = actions })
}

func (b *bad) redirect(r elb.RedirectActionConfig) error {
	if r.StatusCode == "" {
		r.StatusCode = "HTTP_302"
	}
	return b.actions(elb.Action{Type: "redirect", RedirectConfig: &r})
}

func (b *bad) fixed(code, kind, body string) error {
	return b.actions(elb.Action{Type: "fixed-response", FixedResponseConfig: &elb.FixedResponseActionConfig{StatusCode: &code, ContentType: &kind, MessageBody: &body}})
}

func (b *bad) newRule(edit func(*client.CreateRuleInput)) error {
	in := &client.CreateRuleInput{ListenerArn: &b.l, Priority: aws.Int32(11), Conditions: path("/a"), Actions: fixed("200")}
	edit(in)
	return failure(b.CreateRule(b.t.Context(), in))
}

func (b *bad) conditions(conditions ...elb.RuleCondition) error {
	return b.newRule(func(in *client.CreateRuleInput) { in.Conditions = conditions })
}

func (b *bad) plain(field string, values ...string) error {
	return b.conditions(elb.RuleCondition{Field: &field, Values: values})
}

func (b *bad) header(name string, values ...string) error {
	return b.conditions(elb.RuleCondition{Field: aws.String("http-header"), HttpHeaderConfig: &elb.HttpHeaderConditionConfig{HttpHeaderName: &name, Values: values}})
}

func (b *bad) transforms(transforms ...elb.RuleTransform) error {
	return b.newRule(func(in *client.CreateRuleInput) { in.Transforms = transforms })
}

func (b *bad) balancerAttribute(id, key, value string) error {
	return failure(b.ModifyLoadBalancerAttributes(b.t.Context(), &client.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &id, Attributes: []elb.LoadBalancerAttribute{{Key: &key, Value: &value}},
	}))
}

func (b *bad) groupAttribute(id, key, value string) error {
	return failure(b.ModifyTargetGroupAttributes(b.t.Context(), &client.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &id, Attributes: []elb.TargetGroupAttribute{{Key: &key, Value: &value}},
	}))
}

func (b *bad) listenerAttribute(id, key, value string) error {
	return failure(b.ModifyListenerAttributes(b.t.Context(), &client.ModifyListenerAttributesInput{
		ListenerArn: &id, Attributes: []elb.ListenerAttribute{{Key: &key, Value: &value}},
	}))
}

func (b *bad) register(group string, targets ...elb.TargetDescription) error {
	return failure(b.RegisterTargets(b.t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &group, Targets: targets}))
}

func (b *bad) tag(id string, tags ...elb.Tag) error {
	return failure(b.AddTags(b.t.Context(), &client.AddTagsInput{ResourceArns: []string{id}, Tags: tags}))
}

// TestBadInput sends what is wrong. Each answer is ELB's error for it, and nothing is changed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	ctx := t.Context()
	str, num := aws.String, aws.Int32
	no := "0123456789abcdef"
	tests := []struct {
		name string
		do   func() error
		code string
		part string
	}{
		// Load balancers.
		{"no name", func() error { return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Name = nil }) }, "ValidationError", "Value null at 'name'"},
		{"long name", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Name = str(strings.Repeat("a", 33)) })
		}, "ValidationError", "cannot be longer than '32' characters"},
		{"bad name", func() error { return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Name = str("a_b") }) }, "ValidationError", "alphanumeric characters and hyphens(-)"},
		{"name with a hyphen in front", func() error { return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Name = str("-ab") }) }, "ValidationError", "begin or end with a hyphen"},
		{"internal name", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Name = str("internal-a") })
		}, "ValidationError", "cannot begin with 'internal-'"},
		{"taken name", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Name, in.Scheme = str("web"), "internal" })
		}, "DuplicateLoadBalancerName", "different settings"},
		{"gateway", func() error { return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Type = "gateway" }) }, "InvalidConfigurationRequest", "'gateway' is not supported by this version"},
		{"unknown type", func() error { return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Type = "classic" }) }, "ValidationError", "enum value set: [application, network, gateway]"},
		{"unknown scheme", func() error { return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Scheme = "public" }) }, "ValidationError", "'scheme'"},
		{"dualstack", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.IpAddressType = "dualstack" })
		}, "InvalidConfigurationRequest", "'dualstack'"},
		{"no subnet", func() error { return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Subnets = nil }) }, "ValidationError", "At least two subnets in two different Availability Zones must be specified"},
		{"one subnet", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Subnets = in.Subnets[:1] })
		}, "ValidationError", "At least two subnets"},
		{"no subnet of a network one", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Type, in.Subnets = "network", nil })
		}, "ValidationError", "At least one subnet"},
		{"unknown subnet", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Subnets = []string{b.subnet, "subnet-x"} })
		}, "SubnetNotFound", "'subnet-x'"},
		{"a subnet twice", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Subnets = []string{b.subnet, b.subnet} })
		}, "ValidationError", "more than once"},
		{"subnets in both forms", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) {
				in.SubnetMappings = []elb.SubnetMapping{{SubnetId: &b.subnet}}
			})
		}, "ValidationError", "Only one of subnets and subnet mappings"},
		{"an Elastic IP", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) {
				in.Subnets, in.SubnetMappings = nil, []elb.SubnetMapping{{SubnetId: &b.subnet, AllocationId: str("eipalloc-1")}}
			})
		}, "InvalidConfigurationRequest", "maitred:address"},
		{"a private address", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) {
				in.Subnets, in.SubnetMappings = nil, []elb.SubnetMapping{{SubnetId: &b.subnet, PrivateIPv4Address: str("10.0.0.1")}}
			})
		}, "InvalidConfigurationRequest", "maitred:address"},
		{"unknown security group", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.SecurityGroups = []string{"sg-x"} })
		}, "InvalidSecurityGroup", "'sg-x'"},
		{"a tag twice", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Tags = []elb.Tag{tag("a", "b"), tag("a", "c")} })
		}, "DuplicateTagKeys", "'a'"},
		{"a reserved tag", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Tags = []elb.Tag{tag("AWS:x", "b")} })
		}, "ValidationError", "'aws:'"},
		{"a bad tag", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Tags = []elb.Tag{tag("a\x01", "b")} })
		}, "ValidationError", "letters, digits, spaces"},
		{"a tag without key", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Tags = []elb.Tag{{Value: str("x")}} })
		}, "ValidationError", "tags.member.key"},
		{"an address of others", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Tags = []elb.Tag{tag("maitred:address", "192.0.2.1")} })
		}, "ValidationError", "maitred:address"},
		{"no address", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Tags = []elb.Tag{tag("maitred:address", "localhost")} })
		}, "ValidationError", "127.0.0.1"},
		{"a pool", func() error {
			return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.CustomerOwnedIpv4Pool = str("p") })
		}, "InvalidConfigurationRequest", "pool"},
		{"bad ARN", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{LoadBalancerArns: []string{"x"}}))
		}, "ValidationError", "'x' is not a valid load balancer ARN"},
		{"unknown ARN", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{LoadBalancerArns: []string{prefix + "loadbalancer/app/web/" + no}}))
		}, "LoadBalancerNotFound", "One or more load balancers not found"},
		{"unknown name", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{Names: []string{"web", "x"}}))
		}, "LoadBalancerNotFound", "not found"},
		{"of another region", func() error {
			return failure(b.in("us-east-1").DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{LoadBalancerArns: []string{b.lb}}))
		}, "LoadBalancerNotFound", ""},
		{"names and ARNs", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{Names: []string{"web"}, LoadBalancerArns: []string{b.lb}}))
		}, "ValidationError", "cannot be specified at the same time"},
		{"too many names", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{Names: make([]string, 21)}))
		}, "ValidationError", "At most 20"},
		{"large page", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{PageSize: num(401)}))
		}, "ValidationError", "less than or equal to 400"},
		{"empty page", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{PageSize: num(0)}))
		}, "ValidationError", "greater than or equal to 1"},
		{"bad marker", func() error {
			return failure(b.DescribeLoadBalancers(ctx, &client.DescribeLoadBalancersInput{Marker: str("x")}))
		}, "ValidationError", "marker 'x'"},
		{"deletes nothing", func() error { return failure(b.DeleteLoadBalancer(ctx, &client.DeleteLoadBalancerInput{})) }, "ValidationError", "'loadBalancerArn'"},
		{"deletes a bad ARN", func() error {
			return failure(b.DeleteLoadBalancer(ctx, &client.DeleteLoadBalancerInput{LoadBalancerArn: &b.g}))
		}, "ValidationError", "not a valid load balancer ARN"},
		{"leaves all zones", func() error {
			return failure(b.SetSubnets(ctx, &client.SetSubnetsInput{LoadBalancerArn: &b.lb, Subnets: []string{b.subnet}}))
		}, "ValidationError", "At least two subnets"},
		{"no security group", func() error {
			return failure(b.SetSecurityGroups(ctx, &client.SetSecurityGroupsInput{LoadBalancerArn: &b.lb}))
		}, "ValidationError", "At least one security group"},
		{"security groups of a network one", func() error {
			return failure(b.SetSecurityGroups(ctx, &client.SetSecurityGroupsInput{LoadBalancerArn: &b.nlb, SecurityGroups: []string{"sg-x"}}))
		}, "InvalidConfigurationRequest", "created without any"},
		{"PrivateLink", func() error {
			return failure(b.SetSecurityGroups(ctx, &client.SetSecurityGroupsInput{LoadBalancerArn: &b.lb, EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: "on"}))
		}, "InvalidConfigurationRequest", "PrivateLink"},
		{"becomes dualstack", func() error {
			return failure(b.SetIpAddressType(ctx, &client.SetIpAddressTypeInput{LoadBalancerArn: &b.lb, IpAddressType: "dualstack"}))
		}, "InvalidConfigurationRequest", "dualstack"},
		{"no IP address type", func() error {
			return failure(b.SetIpAddressType(ctx, &client.SetIpAddressTypeInput{LoadBalancerArn: &b.lb}))
		}, "ValidationError", "'ipAddressType'"},

		// Attributes.
		{"unknown attribute", func() error { return b.balancerAttribute(b.lb, "x.y", "1") }, "ValidationError", "attribute key 'x.y' is not recognized"},
		{"attribute of another type", func() error { return b.balancerAttribute(b.nlb, "idle_timeout.timeout_seconds", "60") }, "InvalidConfigurationRequest", "attribute key 'idle_timeout.timeout_seconds' is not supported"},
		{"idle timeout", func() error { return b.balancerAttribute(b.lb, "idle_timeout.timeout_seconds", "4001") }, "ValidationError", "from 1 to 4000"},
		{"idle timeout in words", func() error { return b.balancerAttribute(b.lb, "idle_timeout.timeout_seconds", "060") }, "ValidationError", "from 1 to 4000"},
		{"cross zone of an application one", func() error { return b.balancerAttribute(b.lb, "load_balancing.cross_zone.enabled", "false") }, "InvalidConfigurationRequest", "cannot be changed"},
		{"cross zone of a network one", func() error {
			return b.balancerAttribute(b.nlb, "load_balancing.cross_zone.enabled", "use_load_balancer_configuration")
		}, "ValidationError", "true, false"},
		{"no boolean", func() error { return b.balancerAttribute(b.lb, "routing.http2.enabled", "yes") }, "ValidationError", "true, false"},
		{"desync mode", func() error { return b.balancerAttribute(b.lb, "routing.http.desync_mitigation_mode", "lax") }, "ValidationError", "monitor, defensive, strictest"},
		{"logs without bucket", func() error { return b.balancerAttribute(b.lb, "access_logs.s3.enabled", "true") }, "InvalidConfigurationRequest", "bucket"},
		{"connection logs", func() error { return b.balancerAttribute(b.lb, "connection_logs.s3.enabled", "true") }, "InvalidConfigurationRequest", "not supported by this version of maitred"},
		{"no attributes", func() error {
			return failure(b.ModifyLoadBalancerAttributes(ctx, &client.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &b.lb}))
		}, "ValidationError", "At least one attribute"},
		{"an attribute twice", func() error {
			return failure(b.ModifyTargetGroupAttributes(ctx, &client.ModifyTargetGroupAttributesInput{TargetGroupArn: &b.g, Attributes: []elb.TargetGroupAttribute{{Key: str("stickiness.enabled"), Value: str("true")}, {Key: str("stickiness.enabled"), Value: str("false")}}}))
		}, "ValidationError", "more than once"},
		{"delay", func() error { return b.groupAttribute(b.g, "deregistration_delay.timeout_seconds", "3601") }, "ValidationError", "from 0 to 3600"},
		{"slow start", func() error { return b.groupAttribute(b.g, "slow_start.duration_seconds", "29") }, "ValidationError", "from 30 to 900"},
		{"mitigation without the algorithm", func() error { return b.groupAttribute(b.g, "load_balancing.algorithm.anomaly_mitigation", "on") }, "InvalidConfigurationRequest", "weighted_random"},
		{"stickiness of a network one", func() error { return b.groupAttribute(b.g, "stickiness.type", "source_ip") }, "InvalidConfigurationRequest", "source_ip"},
		{"cookie of ELB", func() error { return b.groupAttribute(b.g, "stickiness.app_cookie.cookie_name", "AWSALBX") }, "ValidationError", "AWSALB"},
		{"minimum percentage", func() error {
			return b.groupAttribute(b.g, "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "101")
		}, "ValidationError", "off, or a number from 1 to 100"},
		{"client address", func() error { return b.groupAttribute(b.tcp, "preserve_client_ip.enabled", "true") }, "InvalidConfigurationRequest", "proxy_protocol_v2"},
		{"draining of unhealthy ones", func() error {
			return b.groupAttribute(b.tcp, "target_health_state.unhealthy.draining_interval_seconds", "10")
		}, "InvalidConfigurationRequest", "connection_termination"},
		{"attribute of an unknown group", func() error { return b.groupAttribute(prefix+"targetgroup/x/"+no, "stickiness.enabled", "true") }, "TargetGroupNotFound", "One or more target groups not found"},
		{"TCP idle timeout of HTTP", func() error { return b.listenerAttribute(b.l, "tcp.idle_timeout.seconds", "100") }, "InvalidConfigurationRequest", "attribute key 'tcp.idle_timeout.seconds' is not supported"},
		{"TCP idle timeout", func() error { return b.listenerAttribute(b.nl, "tcp.idle_timeout.seconds", "59") }, "ValidationError", "from 60 to 6000"},
		{"header with a line break", func() error {
			return b.listenerAttribute(b.l, "routing.http.response.x_frame_options.header_value", "a\r\nb: c")
		}, "ValidationError", "printable ASCII"},

		// Listeners.
		{"no load balancer", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.LoadBalancerArn = nil }) }, "ValidationError", "'loadBalancerArn'"},
		{"unknown load balancer", func() error {
			return b.newListener(func(in *client.CreateListenerInput) { in.LoadBalancerArn = str(prefix + "loadbalancer/app/x/" + no) })
		}, "LoadBalancerNotFound", ""},
		{"no port", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Port = nil }) }, "ValidationError", "port must be specified"},
		{"port 0", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Port = num(0) }) }, "ValidationError", "greater than or equal to 1"},
		{"port 65536", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Port = num(65536) }) }, "ValidationError", "less than or equal to 65535"},
		{"no protocol", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Protocol = "" }) }, "ValidationError", "protocol must be specified"},
		{"TCP on an application one", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Protocol = "TCP" }) }, "ValidationError", "Listener protocol 'TCP' must be one of 'HTTP, HTTPS'"},
		{"GENEVE", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Protocol = "GENEVE" }) }, "UnsupportedProtocol", "GENEVE"},
		{"QUIC", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Protocol = "QUIC" }) }, "UnsupportedProtocol", "QUIC"},
		{"taken port", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Port = num(80) }) }, "DuplicateListener", "A listener already exists on this port for this load balancer"},
		{"HTTPS without certificate", func() error { return b.newListener(func(in *client.CreateListenerInput) { in.Protocol = "HTTPS" }) }, "ValidationError", "A certificate must be specified for 'HTTPS' listeners"},
		{"HTTP with certificate", func() error {
			return b.newListener(func(in *client.CreateListenerInput) { in.Certificates = []elb.Certificate{{CertificateArn: &b.cert}} })
		}, "ValidationError", "cannot be specified for 'HTTP'"},
		{"HTTP with policy", func() error {
			return b.newListener(func(in *client.CreateListenerInput) { in.SslPolicy = str(model.DefaultSSLPolicy) })
		}, "ValidationError", "security policy"},
		{"unknown certificate", func() error {
			return b.newListener(func(in *client.CreateListenerInput) {
				in.Protocol, in.Certificates = "HTTPS", []elb.Certificate{{CertificateArn: str("x")}}
			})
		}, "CertificateNotFound", "Certificate 'x' not found"},
		{"two certificates", func() error {
			return b.newListener(func(in *client.CreateListenerInput) {
				in.Protocol, in.Certificates = "HTTPS", []elb.Certificate{{CertificateArn: &b.cert}, {CertificateArn: &b.cert}}
			})
		}, "ValidationError", "Only one certificate"},
		{"a default certificate", func() error {
			return b.newListener(func(in *client.CreateListenerInput) {
				in.Protocol, in.Certificates = "HTTPS", []elb.Certificate{{CertificateArn: &b.cert, IsDefault: aws.Bool(true)}}
			})
		}, "ValidationError", "IsDefault"},
		{"unknown policy", func() error {
			return b.newListener(func(in *client.CreateListenerInput) {
				in.Protocol, in.SslPolicy, in.Certificates = "HTTPS", str("x"), []elb.Certificate{{CertificateArn: &b.cert}}
			})
		}, "SSLPolicyNotFound", "SSL policy 'x' not found"},
		{"ALPN on HTTPS", func() error {
			return b.newListener(func(in *client.CreateListenerInput) {
				in.Protocol, in.AlpnPolicy, in.Certificates = "HTTPS", []string{"HTTP2Only"}, []elb.Certificate{{CertificateArn: &b.cert}}
			})
		}, "InvalidConfigurationRequest", "TLS listeners only"},
		{"unknown ALPN policy", func() error {
			return b.newListener(func(in *client.CreateListenerInput) { in.AlpnPolicy = []string{"x"} })
		}, "ALPNPolicyNotFound", "'x'"},
		{"mutual authentication", func() error {
			return b.newListener(func(in *client.CreateListenerInput) {
				in.MutualAuthentication = &elb.MutualAuthenticationAttributes{Mode: str("verify")}
			})
		}, "InvalidConfigurationRequest", "'verify'"},
		{"a redirect on a network one", func() error {
			return b.newListener(func(in *client.CreateListenerInput) { in.LoadBalancerArn, in.Protocol = &b.nlb, "TCP" })
		}, "InvalidLoadBalancerAction", "'fixed-response' are not supported on load balancers of type 'network'"},
		{"modify nothing there", func() error {
			return failure(b.ModifyListener(ctx, &client.ModifyListenerInput{ListenerArn: str(b.lb + "/x")}))
		}, "ValidationError", "not a valid listener ARN"},
		{"modify an unknown one", func() error {
			return failure(b.ModifyListener(ctx, &client.ModifyListenerInput{ListenerArn: str(b.l[:len(b.l)-16] + no)}))
		}, "ListenerNotFound", "One or more listeners not found"},
		{"modify to HTTPS", func() error {
			return failure(b.ModifyListener(ctx, &client.ModifyListenerInput{ListenerArn: &b.l, Protocol: "HTTPS"}))
		}, "ValidationError", "A certificate must be specified"},
		{"modify to no actions", func() error { return b.send("ModifyListener", "ListenerArn="+b.l+"&DefaultActions=") }, "ValidationError", "An action must be specified"},
		{"certificates of HTTP", func() error {
			return failure(b.AddListenerCertificates(ctx, &client.AddListenerCertificatesInput{ListenerArn: &b.l, Certificates: []elb.Certificate{{CertificateArn: &b.cert}}}))
		}, "InvalidConfigurationRequest", "'HTTP' listeners"},
		{"no certificates", func() error {
			return failure(b.AddListenerCertificates(ctx, &client.AddListenerCertificatesInput{ListenerArn: &b.l}))
		}, "ValidationError", "A certificate must be specified"},
		{"describes nothing", func() error { return failure(b.DescribeListeners(ctx, &client.DescribeListenersInput{})) }, "ValidationError", "either listener ARNs or a load balancer ARN"},

		// Actions.
		{"no action", func() error { return b.actions() }, "ValidationError", "An action must be specified"},
		{"two actions", func() error { return b.actions(fixed("200")[0], fixed("200")[0]) }, "InvalidLoadBalancerAction", "Exactly one action"},
		{"no type", func() error { return b.actions(elb.Action{Order: num(1)}) }, "ValidationError", "actions.member.type"},
		{"authentication", func() error { return b.actions(elb.Action{Type: "authenticate-oidc"}) }, "InvalidLoadBalancerAction", "'authenticate-oidc' are not supported by this version"},
		{"another's configuration", func() error { return b.actions(elb.Action{Type: "redirect", TargetGroupArn: &b.g}) }, "InvalidLoadBalancerAction", "cannot have the configuration"},
		{"order", func() error { return b.actions(elb.Action{Type: "forward", TargetGroupArn: &b.g, Order: num(50001)}) }, "ValidationError", "50000"},
		{"forward nowhere", func() error { return b.actions(elb.Action{Type: "forward"}) }, "ValidationError", "A target group ARN must be specified"},
		{"forward to an unknown group", func() error { return b.actions(forward(prefix + "targetgroup/x/" + no)...) }, "TargetGroupNotFound", "One or more target groups not found"},
		{"forward to a bad ARN", func() error { return b.actions(forward("x")...) }, "ValidationError", "'x' is not a valid target group ARN"},
		{"two forms", func() error {
			return b.actions(elb.Action{Type: "forward", TargetGroupArn: &b.g, ForwardConfig: &elb.ForwardActionConfig{TargetGroups: []elb.TargetGroupTuple{{TargetGroupArn: &b.used}}}})
		}, "ValidationError", "the same single target group"},
		{"a group twice", func() error { return b.actions(forward(b.g, b.g)...) }, "ValidationError", "more than once"},
		{"six groups", func() error { return b.actions(forward("1", "2", "3", "4", "5", "6")...) }, "TooManyTargetGroups", "at most 5"},
		{"weight", func() error {
			return b.actions(elb.Action{Type: "forward", ForwardConfig: &elb.ForwardActionConfig{TargetGroups: []elb.TargetGroupTuple{{TargetGroupArn: &b.g, Weight: num(1000)}}}})
		}, "ValidationError", "999"},
		{"stickiness without duration", func() error {
			return b.actions(elb.Action{Type: "forward", TargetGroupArn: &b.g, ForwardConfig: &elb.ForwardActionConfig{TargetGroupStickinessConfig: &elb.TargetGroupStickinessConfig{Enabled: aws.Bool(true)}}})
		}, "ValidationError", "A duration must be specified"},
		{"forward to TCP", func() error { return b.actions(forward(b.tcp)...) }, "IncompatibleProtocols", "Listener protocol 'HTTP' is not compatible with the protocol 'TCP'"},
		{"a group of another load balancer", func() error {
			return b.newListener(func(in *client.CreateListenerInput) {
				in.LoadBalancerArn, in.Protocol, in.DefaultActions = &b.nlb, "TCP", forward(b.used)
			})
		}, "IncompatibleProtocols", ""},
		{"redirect without configuration", func() error { return b.actions(elb.Action{Type: "redirect"}) }, "ValidationError", "redirect configuration"},
		{"redirect to itself", func() error { return b.redirect(elb.RedirectActionConfig{}) }, "InvalidLoadBalancerAction", "at least one of protocol, host, port and path"},
		{"redirect protocol", func() error { return b.redirect(elb.RedirectActionConfig{Protocol: str("FTP")}) }, "InvalidLoadBalancerAction", "HTTP, HTTPS"},
		{"redirect port", func() error { return b.redirect(elb.RedirectActionConfig{Port: str("http")}) }, "InvalidLoadBalancerAction", "65535"},
		{"redirect path", func() error { return b.redirect(elb.RedirectActionConfig{Path: str("x")}) }, "InvalidLoadBalancerAction", "must begin with '/'"},
		{"redirect query", func() error { return b.redirect(elb.RedirectActionConfig{Path: str("/"), Query: str("?a")}) }, "InvalidLoadBalancerAction", "must not begin with '?'"},
		{"redirect placeholder", func() error { return b.redirect(elb.RedirectActionConfig{Host: str("#{path}.example.com")}) }, "InvalidLoadBalancerAction", "placeholder"},
		{"redirect host", func() error { return b.redirect(elb.RedirectActionConfig{Host: str("a/b")}) }, "InvalidLoadBalancerAction", "host name"},
		{"redirect code", func() error { return b.redirect(elb.RedirectActionConfig{StatusCode: "HTTP_307"}) }, "ValidationError", "HTTP_301, HTTP_302"},
		{"fixed code", func() error { return b.fixed("302", "text/plain", "") }, "InvalidLoadBalancerAction", "2XX, 4XX or 5XX"},
		{"fixed content type", func() error { return b.fixed("200", "text/xml", "") }, "InvalidLoadBalancerAction", "text/plain"},
		{"fixed body", func() error { return b.fixed("200", "text/plain", strings.Repeat("x", 1025)) }, "InvalidLoadBalancerAction", "1024"},

		// Rules.
		{"rule without listener", func() error { return b.newRule(func(in *client.CreateRuleInput) { in.ListenerArn = nil }) }, "ValidationError", "'listenerArn'"},
		{"rule of an unknown listener", func() error {
			return b.newRule(func(in *client.CreateRuleInput) { in.ListenerArn = str(b.l[:len(b.l)-16] + no) })
		}, "ListenerNotFound", ""},
		{"rule of a network listener", func() error { return b.newRule(func(in *client.CreateRuleInput) { in.ListenerArn = &b.nl }) }, "OperationNotPermitted", "not supported on listeners of load balancers of type 'network'"},
		{"no priority", func() error { return b.newRule(func(in *client.CreateRuleInput) { in.Priority = nil }) }, "ValidationError", "'priority'"},
		{"priority 0", func() error { return b.newRule(func(in *client.CreateRuleInput) { in.Priority = num(0) }) }, "ValidationError", "'priority'"},
		{"priority 50001", func() error { return b.newRule(func(in *client.CreateRuleInput) { in.Priority = num(50001) }) }, "ValidationError", "50000"},
		{"taken priority", func() error { return b.newRule(func(in *client.CreateRuleInput) { in.Priority = num(10) }) }, "PriorityInUse", "Priority '10' is currently in use"},
		{"rule without condition", func() error { return b.conditions() }, "ValidationError", "A condition must be specified"},
		{"rule without action", func() error { return b.newRule(func(in *client.CreateRuleInput) { in.Actions = nil }) }, "ValidationError", "An action must be specified"},
		{"no field", func() error { return b.conditions(elb.RuleCondition{Values: []string{"/"}}) }, "ValidationError", "field must be specified"},
		{"unknown field", func() error { return b.plain("cookie", "x") }, "ValidationError", "Condition field 'cookie' must be one of"},
		{"no value", func() error { return b.plain("path-pattern") }, "ValidationError", "A condition value must be specified"},
		{"empty value", func() error { return b.plain("path-pattern", "") }, "ValidationError", "cannot be empty"},
		{"long value", func() error { return b.plain("path-pattern", "/"+strings.Repeat("x", 128)) }, "ValidationError", "128"},
		{"bad path", func() error { return b.plain("path-pattern", "/a b") }, "ValidationError", "path pattern"},
		{"bad host", func() error { return b.plain("host-header", "a_b.example.com") }, "ValidationError", "host name"},
		{"host with a port", func() error { return b.plain("host-header", "example.com:80") }, "ValidationError", "host name"},
		{"six values", func() error { return b.plain("path-pattern", "/1", "/2", "/3", "/4", "/5", "/6") }, "ValidationError", "at most 5 condition values"},
		{"seven wildcards", func() error { return b.plain("path-pattern", "/*/*/*/*/?/?/?") }, "ValidationError", "at most 6 wildcard"},
		{"a field twice", func() error { return b.conditions(path("/a")[0], path("/b")[0]) }, "ValidationError", "only one condition"},
		{"another field's configuration", func() error {
			return b.conditions(elb.RuleCondition{Field: str("host-header"), PathPatternConfig: &elb.PathPatternConditionConfig{Values: []string{"/"}}})
		}, "ValidationError", "cannot have the configuration"},
		{"values in two places", func() error {
			return b.conditions(elb.RuleCondition{Field: str("path-pattern"), Values: []string{"/a"}, PathPatternConfig: &elb.PathPatternConditionConfig{Values: []string{"/b"}}})
		}, "ValidationError", "one place only"},
		{"values of a method", func() error { return b.plain("http-request-method", "GET") }, "ValidationError", "configuration of its own"},
		{"bad method", func() error {
			return b.conditions(elb.RuleCondition{Field: str("http-request-method"), HttpRequestMethodConfig: &elb.HttpRequestMethodConditionConfig{Values: []string{"get"}}})
		}, "ValidationError", "upper-case"},
		{"no header", func() error { return b.conditions(elb.RuleCondition{Field: str("http-header")}) }, "ValidationError", "HTTP header configuration"},
		{"header Host", func() error { return b.header("host", "x") }, "ValidationError", "host-header"},
		{"bad header", func() error { return b.header("a b", "x") }, "ValidationError", "HTTP header name"},
		{"bad header value", func() error { return b.header("A", "x\ny") }, "ValidationError", "printable"},
		{"bad source", func() error {
			return b.conditions(elb.RuleCondition{Field: str("source-ip"), SourceIpConfig: &elb.SourceIpConditionConfig{Values: []string{"127.0.0.1"}}})
		}, "ValidationError", "block of addresses"},
		{"nobody's source", func() error {
			return b.conditions(elb.RuleCondition{Field: str("source-ip"), SourceIpConfig: &elb.SourceIpConditionConfig{Values: []string{"255.255.255.255/32"}}})
		}, "ValidationError", "255.255.255.255/32"},
		{"no query", func() error { return b.conditions(elb.RuleCondition{Field: str("query-string")}) }, "ValidationError", "A condition value"},
		{"a query without value", func() error {
			return b.conditions(elb.RuleCondition{Field: str("query-string"), QueryStringConfig: &elb.QueryStringConditionConfig{Values: []elb.QueryStringKeyValuePair{{Key: str("a")}}}})
		}, "ValidationError", "query string value"},
		{"bad expression", func() error {
			return b.conditions(elb.RuleCondition{Field: str("path-pattern"), RegexValues: []string{"("}})
		}, "ValidationError", "regular expression '('"},
		{"expression of a method", func() error {
			return b.conditions(elb.RuleCondition{Field: str("source-ip"), RegexValues: []string{"x"}})
		}, "ValidationError", "not supported for the field"},
		{"values and expressions", func() error {
			return b.conditions(elb.RuleCondition{Field: str("path-pattern"), Values: []string{"/"}, RegexValues: []string{"x"}})
		}, "ValidationError", "both values and regular expressions"},
		{"empty transform", func() error { return b.transforms(elb.RuleTransform{Type: "url-rewrite"}) }, "ValidationError", "exactly one rewrite"},
		{"bad transform", func() error {
			return b.transforms(elb.RuleTransform{Type: "url-rewrite", UrlRewriteConfig: &elb.UrlRewriteConfig{Rewrites: []elb.RewriteConfig{{Regex: str("["), Replace: str("")}}}})
		}, "ValidationError", "regular expression"},
		{"modify the default rule", func() error {
			return failure(b.ModifyRule(ctx, &client.ModifyRuleInput{RuleArn: &b.standard, Actions: fixed("200")}))
		}, "OperationNotPermitted", "Default rule '" + b.standard + "' cannot be modified"},
		{"delete the default rule", func() error { return failure(b.DeleteRule(ctx, &client.DeleteRuleInput{RuleArn: &b.standard})) }, "OperationNotPermitted", "Default rule"},
		{"order the default rule", func() error {
			return failure(b.SetRulePriorities(ctx, &client.SetRulePrioritiesInput{RulePriorities: []elb.RulePriorityPair{{RuleArn: &b.standard, Priority: num(1)}}}))
		}, "OperationNotPermitted", ""},
		{"modify nothing of a rule", func() error { return failure(b.ModifyRule(ctx, &client.ModifyRuleInput{RuleArn: &b.rule})) }, "ValidationError", "conditions, actions or transforms"},
		{"reset and set transforms", func() error {
			return failure(b.ModifyRule(ctx, &client.ModifyRuleInput{RuleArn: &b.rule, ResetTransforms: aws.Bool(true), Transforms: []elb.RuleTransform{{Type: "url-rewrite"}}}))
		}, "ValidationError", "reset"},
		{"unknown rule", func() error {
			return failure(b.DeleteRule(ctx, &client.DeleteRuleInput{RuleArn: str(b.rule[:len(b.rule)-16] + no)}))
		}, "RuleNotFound", "One or more rules not found"},
		{"bad rule ARN", func() error {
			return failure(b.DescribeRules(ctx, &client.DescribeRulesInput{RuleArns: []string{b.l}}))
		}, "ValidationError", "not a valid listener rule ARN"},
		{"no rules", func() error { return failure(b.DescribeRules(ctx, &client.DescribeRulesInput{})) }, "ValidationError", "You must specify either"},
		{"no priorities", func() error { return failure(b.SetRulePriorities(ctx, &client.SetRulePrioritiesInput{})) }, "ValidationError", "At least one rule"},

		// Target groups.
		{"group without name", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Name = nil }) }, "ValidationError", "'name'"},
		{"group with a bad name", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Name = str("a.b") }) }, "ValidationError", "Target group name"},
		{"taken group name", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Name = str("free") }) }, "DuplicateTargetGroupName", "different settings"},
		{"lambda", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.TargetType = "lambda" }) }, "InvalidConfigurationRequest", "'lambda'"},
		{"alb", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.TargetType = "alb" }) }, "InvalidConfigurationRequest", "'alb'"},
		{"ipv6", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.IpAddressType = "ipv6" }) }, "InvalidConfigurationRequest", "ipv6"},
		{"group without protocol", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Protocol = "" }) }, "ValidationError", "A protocol must be specified"},
		{"group without port", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Port = nil }) }, "ValidationError", "A port must be specified"},
		{"group without VPC", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.VpcId = nil }) }, "ValidationError", "A VPC ID must be specified"},
		{"group in an unknown VPC", func() error { return b.newGroup(func(in *client.CreateTargetGroupInput) { in.VpcId = str("vpc-x") }) }, "ValidationError", "The VPC ID 'vpc-x' is not found"},
		{"version of TCP", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Protocol, in.ProtocolVersion = "TCP", str("HTTP1") })
		}, "ValidationError", "protocol version"},
		{"unknown version", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.ProtocolVersion = str("HTTP3") })
		}, "ValidationError", "GRPC, HTTP1, HTTP2"},
		{"checks off", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthCheckEnabled = aws.Bool(false) })
		}, "ValidationError", "Health check enabled must be true"},
		{"TCP check of HTTP", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthCheckProtocol = "TCP" })
		}, "ValidationError", "Health check protocol 'TCP'"},
		{"interval", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = num(301) })
		}, "ValidationError", "300"},
		{"timeout", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthCheckTimeoutSeconds = num(1) })
		}, "ValidationError", "2"},
		{"timeout as long as the interval", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = num(5) })
		}, "ValidationError", "Health check interval must be greater than the timeout"},
		{"threshold", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthyThresholdCount = num(11) })
		}, "ValidationError", "10"},
		{"check path", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthCheckPath = str("up") })
		}, "ValidationError", "must begin with '/'"},
		{"check port", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.HealthCheckPort = str("web") })
		}, "ValidationError", "traffic-port"},
		{"matcher", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Matcher = &elb.Matcher{HttpCode: str("200-500")} })
		}, "ValidationError", "200 to 499"},
		{"backward matcher", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) { in.Matcher = &elb.Matcher{HttpCode: str("300-200")} })
		}, "ValidationError", "matcher"},
		{"matcher of GRPC", func() error {
			return b.newGroup(func(in *client.CreateTargetGroupInput) {
				in.ProtocolVersion, in.Matcher = str("GRPC"), &elb.Matcher{HttpCode: str("200")}
			})
		}, "ValidationError", "GRPC code"},
		{"path of TCP", func() error {
			return failure(b.ModifyTargetGroup(ctx, &client.ModifyTargetGroupInput{TargetGroupArn: &b.tcp, HealthCheckPath: str("/")}))
		}, "ValidationError", "TCP protocol"},
		{"delete a used group", func() error {
			return failure(b.DeleteTargetGroup(ctx, &client.DeleteTargetGroupInput{TargetGroupArn: &b.used}))
		}, "ResourceInUse", "is currently in use by a listener or a rule"},
		{"delete a bad ARN of a group", func() error {
			return failure(b.DeleteTargetGroup(ctx, &client.DeleteTargetGroupInput{TargetGroupArn: str("x")}))
		}, "ValidationError", "'x' is not a valid target group ARN"},
		{"unknown group by name", func() error {
			return failure(b.DescribeTargetGroups(ctx, &client.DescribeTargetGroupsInput{Names: []string{"x"}}))
		}, "TargetGroupNotFound", "One or more target groups not found"},
		{"groups by two things", func() error {
			return failure(b.DescribeTargetGroups(ctx, &client.DescribeTargetGroupsInput{Names: []string{"free"}, LoadBalancerArn: &b.lb}))
		}, "ValidationError", "Only one of"},

		// Targets.
		{"no target", func() error { return b.register(b.g) }, "ValidationError", "At least one target"},
		{"target without id", func() error { return b.register(b.g, elb.TargetDescription{Port: num(1)}) }, "ValidationError", "targets.member.id"},
		{"target port", func() error { return b.register(b.g, target("10.0.0.1", 65536)) }, "ValidationError", "65535"},
		{"no address", func() error { return b.register(b.g, target("web", 0)) }, "InvalidTarget", "'web' is not a valid IPv4 address"},
		{"IPv6 address", func() error { return b.register(b.g, target("::1", 0)) }, "InvalidTarget", "IPv4"},
		{"public address", func() error { return b.register(b.g, target("8.8.8.8", 0)) }, "InvalidTarget", "'8.8.8.8' cannot be a target"},
		{"one bad of two", func() error { return b.register(b.g, target("10.0.0.1", 0), target("169.254.169.254", 0)) }, "InvalidTarget", "169.254.169.254"},
		{"unknown zone", func() error {
			return b.register(b.g, elb.TargetDescription{Id: str("10.0.0.1"), AvailabilityZone: str("eu-west-1x")})
		}, "ValidationError", "'eu-west-1x'"},
		{"zone of an instance", func() error {
			return b.register(b.instance, elb.TargetDescription{Id: str("m1"), AvailabilityZone: str("all")})
		}, "ValidationError", "type 'instance'"},
		{"unknown instance", func() error { return b.register(b.instance, target("i-0123456789abcdef0", 0)) }, "InvalidTarget", "Instance ID 'i-0123456789abcdef0' is not valid"},
		{"machine without address", func() error { return b.register(b.instance, target("m1", 0)) }, "InvalidTarget", "has no address"},
		{"targets of an unknown group", func() error { return b.register(prefix+"targetgroup/x/"+no, target("10.0.0.1", 0)) }, "TargetGroupNotFound", ""},
		{"deregister from an unknown group", func() error {
			return failure(b.DeregisterTargets(ctx, &client.DeregisterTargetsInput{TargetGroupArn: str(prefix + "targetgroup/x/" + no), Targets: []elb.TargetDescription{target("10.0.0.1", 0)}}))
		}, "TargetGroupNotFound", ""},
		{"deregister nonsense", func() error {
			return failure(b.DeregisterTargets(ctx, &client.DeregisterTargetsInput{TargetGroupArn: &b.g, Targets: []elb.TargetDescription{target("x", 0)}}))
		}, "InvalidTarget", "'x'"},
		{"health of an unknown group", func() error {
			return failure(b.DescribeTargetHealth(ctx, &client.DescribeTargetHealthInput{TargetGroupArn: str(prefix + "targetgroup/x/" + no)}))
		}, "TargetGroupNotFound", ""},
		{"health with unknown things", func() error {
			return failure(b.DescribeTargetHealth(ctx, &client.DescribeTargetHealthInput{TargetGroupArn: &b.g, Include: []elb.DescribeTargetHealthInputIncludeEnum{"x"}}))
		}, "ValidationError", "'include.member'"},

		// Tags.
		{"tags of nothing", func() error { return failure(b.DescribeTags(ctx, &client.DescribeTagsInput{})) }, "ValidationError", "At least one resource ARN"},
		{"tags of a bad ARN", func() error { return b.tag("x", tag("a", "b")) }, "ValidationError", "'x' is not a valid ARN"},
		{"tags of the default rule", func() error { return b.tag(b.standard, tag("a", "b")) }, "OperationNotPermitted", "tagged"},
		{"no tags", func() error { return b.tag(b.lb) }, "ValidationError", "At least one tag"},
		{"too many tags", func() error { return b.tag(b.lb, manyTags(51)...) }, "TooManyTags", "50"},
		{"one of two is not there", func() error {
			return failure(b.AddTags(ctx, &client.AddTagsInput{ResourceArns: []string{b.lb, prefix + "targetgroup/x/" + no}, Tags: []elb.Tag{tag("a", "b")}}))
		}, "TargetGroupNotFound", ""},
		{"no keys", func() error { return failure(b.RemoveTags(ctx, &client.RemoveTagsInput{ResourceArns: []string{b.lb}})) }, "ValidationError", "At least one tag key"},
		{"policies of a bad type", func() error {
			return failure(b.DescribeSSLPolicies(ctx, &client.DescribeSSLPoliciesInput{LoadBalancerType: "x"}))
		}, "ValidationError", "'loadBalancerType'"},
		{"unknown operation", func() error { return b.send("DescribeNothing", "") }, "InvalidAction", "DescribeNothing"},
		{"no number", func() error { return b.send("CreateListener", "LoadBalancerArn="+b.lb+"&Port=http&Protocol=HTTP") }, "MalformedInput", "Port"},
	}
	must(b.in("us-east-1").DescribeAccountLimits(ctx, &client.DescribeAccountLimitsInput{}))(t) // makes that region
	rev := b.store.View().Revision()
	for _, tt := range tests {
		err := tt.do()
		if err == nil {
			t.Errorf("%s: no error, want %s", tt.name, tt.code)
			continue
		}
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) { wantError(t, err, tt.code, tt.part) })
		if now := b.store.View().Revision(); now != rev {
			t.Fatalf("%s: the state has changed", tt.name)
		}
	}
	if len(tests) < 80 {
		t.Errorf("there are %d cases", len(tests))
	}
}

func manyTags(n int) (tags []elb.Tag) {
	for i := range n {
		tags = append(tags, tag(fmt.Sprint("k", i), "v"))
	}
	return tags
}
