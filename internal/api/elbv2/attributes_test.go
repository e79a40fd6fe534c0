package elbv2_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// attribute is a value that is not the default, and whether it can be had. What can be had does something.
type attribute struct {
	value string
	had   bool
}

// TestEveryAttributeIsHonouredOrRefused changes each attribute of each kind: there is none that is taken and does nothing.
func TestEveryAttributeIsHonouredOrRefused(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	yes, no := func(v string) attribute { return attribute{v, true} }, func(v string) attribute { return attribute{v, false} }
	both := map[string]attribute{
		"deletion_protection.enabled": yes("true"), "ipv6.deny_all_igw_traffic": no("true"), "zonal_shift.config.enabled": no("true"),
		"access_logs.s3.bucket": yes("logs"), "access_logs.s3.prefix": yes("a/b"), // names alone, until they are enabled
	}
	application := map[string]attribute{
		"access_logs.s3.enabled":     yes("true"),
		"connection_logs.s3.enabled": no("true"), "connection_logs.s3.bucket": yes("logs"), "connection_logs.s3.prefix": yes("a"),
		"health_check_logs.s3.enabled": no("true"), "health_check_logs.s3.bucket": yes("logs"), "health_check_logs.s3.prefix": yes("a"),
		"idle_timeout.timeout_seconds": yes("5"), "client_keep_alive.seconds": yes("60"), "routing.http2.enabled": yes("false"),
		"routing.http.drop_invalid_header_fields.enabled": yes("true"), "routing.http.xff_client_port.enabled": yes("true"),
		"routing.http.preserve_host_header.enabled": yes("true"), "routing.http.xff_header_processing.mode": yes("remove"),
		"routing.http.desync_mitigation_mode": yes("strictest"), "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": yes("true"),
		"load_balancing.cross_zone.enabled": no("false"), "waf.fail_open.enabled": no("true"),
	}
	network := map[string]attribute{
		"access_logs.s3.enabled": no("true"), "load_balancing.cross_zone.enabled": yes("true"),
		"dns_record.client_routing_policy": no("availability_zone_affinity"), "secondary_ips.auto_assigned.per_subnet": no("1"),
	}
	group := map[string]attribute{
		"stickiness.enabled": yes("true"), "deregistration_delay.timeout_seconds": yes("5"), "load_balancing.cross_zone.enabled": no("false"),
		"target_group_health.dns_failover.minimum_healthy_targets.count":                 no("off"),
		"target_group_health.dns_failover.minimum_healthy_targets.percentage":            no("10"),
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      yes("2"),
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": yes("10"),
	}
	http := map[string]attribute{
		"stickiness.app_cookie.cookie_name": yes("session"), "stickiness.type": yes("app_cookie"), "stickiness.lb_cookie.duration_seconds": yes("60"),
		"stickiness.app_cookie.duration_seconds": yes("60"), "load_balancing.algorithm.type": yes("least_outstanding_requests"),
		"slow_start.duration_seconds": no("30"), "load_balancing.algorithm.anomaly_mitigation": no("on"), // with that algorithm
	}
	tcp := map[string]attribute{
		"stickiness.type": no("lb_cookie"), "proxy_protocol_v2.enabled": yes("true"), "deregistration_delay.connection_termination.enabled": yes("true"),
		"preserve_client_ip.enabled": no("true"), "target_health_state.unhealthy.connection_termination.enabled": yes("false"),
		"target_health_state.unhealthy.draining_interval_seconds": no("10"),
	}
	listener := map[string]attribute{"routing.http.response.server.enabled": yes("false")}
	for key := range model.ListenerAttributes("HTTP") {
		if _, ok := listener[key]; !ok {
			listener[key] = yes("x")
		}
	}
	secure := map[string]attribute{
		model.AttributeTLSVersionName: yes("X-Version"), model.AttributeTLSCipherName: yes("X-Cipher"),
	}
	for _, name := range []string{"", "_serial_number", "_issuer", "_subject", "_validity", "_leaf"} {
		secure["routing.http.request.x_amzn_mtls_clientcert"+name+".header_name"] = no("X-Client")
	}
	for _, tt := range []struct {
		of, id string
		known  map[string]string
		want   map[string]attribute
		set    func(id, key, value string) error
	}{
		{"an application load balancer", b.lb, model.LoadBalancerAttributes(model.Application, "internet-facing"), merged(both, application), b.balancerAttribute},
		{"a network load balancer", b.nlb, model.LoadBalancerAttributes(model.NetworkLB, "internet-facing"), merged(both, network), b.balancerAttribute},
		{"a target group of HTTP", b.g, model.TargetGroupAttributes("HTTP", "ip"), merged(group, http), b.groupAttribute},
		{"a target group of TCP", b.tcp, model.TargetGroupAttributes("TCP", "ip"), merged(group, tcp), b.groupAttribute},
		{"a listener of HTTP", b.l, model.ListenerAttributes("HTTP"), listener, b.listenerAttribute},
		{"a listener of HTTPS", b.secure(), model.ListenerAttributes("HTTPS"), merged(listener, secure), b.listenerAttribute},
		{"a listener of TCP", b.nl, model.ListenerAttributes("TCP"), map[string]attribute{"tcp.idle_timeout.seconds": yes("60")}, b.listenerAttribute},
	} {
		t.Run(tt.of, func(t *testing.T) {
			keys := slices.Sorted(maps.Keys(tt.want))
			if diff := cmp.Diff(slices.Sorted(maps.Keys(tt.known)), keys); diff != "" {
				t.Errorf("attributes (-there are +known here):\n%s", diff)
			}
			for _, key := range keys {
				if err := tt.set(tt.id, key, tt.want[key].value); (err == nil) != tt.want[key].had {
					t.Errorf("%s = %s: got %v, want it to be had: %t", key, tt.want[key].value, err, tt.want[key].had)
				}
			}
		})
	}
}

// secure makes a listener of HTTPS, and gives its ARN.
func (b *bad) secure() string {
	b.t.Helper()
	out := must(b.CreateListener(b.t.Context(), &client.CreateListenerInput{
		LoadBalancerArn: &b.lb, Protocol: "HTTPS", Port: aws.Int32(443), DefaultActions: fixed("200"),
		Certificates: []elb.Certificate{{CertificateArn: &b.cert}},
	}))(b.t)
	return *out.Listeners[0].ListenerArn
}

// TestRequestNames gives fields that targets are sent names that they cannot have.
func TestRequestNames(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	l := b.secure()
	for _, name := range []string{
		"", "a b", "a:", "a_b", "x\r\ny", "\u00e9", "Host", "content-length", "Transfer-Encoding", "Connection", "TE", "X-Forwarded-For",
		"X-Amzn-Trace-Id", "Cookie", strings.Repeat("a", 1025),
	} {
		wantError(t, b.listenerAttribute(l, model.AttributeTLSVersionName, name), "ValidationError", "name")
	}
	wantError(t, b.listenerAttribute(b.l, model.AttributeTLSVersionName, "X-Version"), "InvalidConfigurationRequest", "is not supported on listeners with the protocol HTTP")
	if err := b.listenerAttribute(l, model.AttributeTLSVersionName, "X-Tls"); err != nil {
		t.Fatal(err)
	}
	wantError(t, b.listenerAttribute(l, model.AttributeTLSCipherName, "x-tls"), "ValidationError", "the same name")
	if err := b.listenerAttribute(l, model.AttributeTLSVersionName, "X-Amzn-Tls-Version"); err != nil {
		t.Errorf("the default cannot be set: %v", err)
	}
}

func merged(parts ...map[string]attribute) map[string]attribute {
	all := map[string]attribute{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

// TestAlgorithms has what only goes together with some algorithms, and what is no change at all.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	for _, tt := range []struct{ group, key, value string }{
		{b.g, "load_balancing.algorithm.type", "weighted_random"},
		{b.g, "load_balancing.algorithm.anomaly_mitigation", "on"},
		{b.used, "slow_start.duration_seconds", "30"},
		{b.g, "target_group_health.dns_failover.minimum_healthy_targets.count", "1"},
		{b.tcp, "target_health_state.unhealthy.draining_interval_seconds", "0"},
	} {
		if err := b.groupAttribute(tt.group, tt.key, tt.value); err != nil {
			t.Errorf("%s = %s: %v", tt.key, tt.value, err)
		}
	}
	made, err := b.CreateTargetGroup(t.Context(), &client.CreateTargetGroupInput{
		Name: aws.String("machines"), Protocol: elb.ProtocolEnumTcp, Port: aws.Int32(80), VpcId: &b.vpc, TargetType: elb.TargetTypeEnumInstance,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.groupAttribute(*made.TargetGroups[0].TargetGroupArn, "preserve_client_ip.enabled", "false"); err != nil {
		t.Errorf("what is so anyway cannot be said: %v", err)
	}
}
