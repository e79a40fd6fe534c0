package model

import (
	"maps"
	"strconv"
	"time"
)

// Attribute gives an attribute of the load balancer, "" for one that its type does not have.
func (b *LoadBalancer) Attribute(key string) string {
	return attribute(b.Attributes, LoadBalancerAttributes(b.Type, b.Scheme), key)
}

// Attribute gives an attribute of the listener, "" for one that its protocol does not have.
func (l *Listener) Attribute(key string) string {
	return attribute(l.Attributes, ListenerAttributes(l.Protocol), key)
}

// Attribute gives an attribute of the target group, "" for one that its protocol does not have.
func (g *TargetGroup) Attribute(key string) string {
	return attribute(g.Attributes, TargetGroupAttributes(g.Protocol, g.TargetType), key)
}

func attribute(set, defaults map[string]string, key string) string {
	if v, ok := set[key]; ok {
		return v
	}
	return defaults[key]
}

// Seconds reads an attribute that is a number of seconds; zero for anything else.
func Seconds(value string) time.Duration {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// DeregistrationDelay is how long a target that is being deregistered may finish what is in flight.
func (g *TargetGroup) DeregistrationDelay() time.Duration {
	return Seconds(g.Attribute(AttributeDeregistrationDelay))
}

// The attributes that decisions look at, by their names in AWS ("LoadBalancerAttribute", "TargetGroupAttribute").
const (
	AttributeDeregistrationDelay = "deregistration_delay.timeout_seconds"
	AttributeSlowStart           = "slow_start.duration_seconds"
	AttributeAlgorithm           = "load_balancing.algorithm.type"
	AttributeMitigation          = "load_balancing.algorithm.anomaly_mitigation"
	AttributeSticky              = "stickiness.enabled"
	AttributeStickyType          = "stickiness.type"
	AttributeCookieDuration      = "stickiness.lb_cookie.duration_seconds"
	AttributeAppCookie           = "stickiness.app_cookie.cookie_name"
	AttributeAppCookieDuration   = "stickiness.app_cookie.duration_seconds"
	AttributeMinHealthyCount     = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
	AttributeMinHealthyPercent   = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
	AttributeProxyProtocol       = "proxy_protocol_v2.enabled"
	AttributeTerminate           = "deregistration_delay.connection_termination.enabled"
	AttributeTerminateUnhealthy  = "target_health_state.unhealthy.connection_termination.enabled"
	AttributeIdleTimeout         = "idle_timeout.timeout_seconds"
	AttributeClientKeepAlive     = "client_keep_alive.seconds"
	AttributeHTTP2               = "routing.http2.enabled"
	AttributeDropInvalid         = "routing.http.drop_invalid_header_fields.enabled"
	AttributePreserveHost        = "routing.http.preserve_host_header.enabled"
	AttributeXFFMode             = "routing.http.xff_header_processing.mode"
	AttributeXFFPort             = "routing.http.xff_client_port.enabled"
	AttributeDesync              = "routing.http.desync_mitigation_mode"
	AttributeTLSHeaders          = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"
	AttributeTLSVersionName      = "routing.http.request.x_amzn_tls_version.header_name"
	AttributeTLSCipherName       = "routing.http.request.x_amzn_tls_cipher_suite.header_name"
	AttributeServerHeader        = "routing.http.response.server.enabled"
	AttributeTCPIdleTimeout      = "tcp.idle_timeout.seconds"
	AttributeDeletionProtection  = "deletion_protection.enabled"
)

// LoadBalancerAttributes lists the attributes that a load balancer has, with their defaults ("Load balancer attributes").
func LoadBalancerAttributes(kind, scheme string) map[string]string {
	all := map[string]string{
		AttributeDeletionProtection: "false",
		"access_logs.s3.enabled":    "false", "access_logs.s3.bucket": "", "access_logs.s3.prefix": "",
		"ipv6.deny_all_igw_traffic":  strconv.FormatBool(scheme == "internal"),
		"zonal_shift.config.enabled": "false",
	}
	if kind == NetworkLB {
		all["load_balancing.cross_zone.enabled"] = "false"
		all["dns_record.client_routing_policy"] = "any_availability_zone"
		all["secondary_ips.auto_assigned.per_subnet"] = "0"
		return all
	}
	maps.Copy(all, map[string]string{
		"connection_logs.s3.enabled": "false", "connection_logs.s3.bucket": "", "connection_logs.s3.prefix": "",
		"health_check_logs.s3.enabled": "false", "health_check_logs.s3.bucket": "", "health_check_logs.s3.prefix": "",
		AttributeIdleTimeout: "60", AttributeClientKeepAlive: "3600", AttributeHTTP2: "true", AttributeDropInvalid: "false",
		AttributeXFFPort: "false", AttributePreserveHost: "false", AttributeXFFMode: "append", AttributeDesync: "defensive",
		AttributeTLSHeaders: "false", "load_balancing.cross_zone.enabled": "true", "waf.fail_open.enabled": "false",
	})
	return all
}

// ListenerAttributes lists the attributes that a listener has, with their defaults ("Listener attributes").
func ListenerAttributes(protocol string) map[string]string {
	switch protocol {
	case "TCP", "TCP_UDP":
		return map[string]string{AttributeTCPIdleTimeout: "350"}
	case "HTTP", "HTTPS":
		all := map[string]string{AttributeServerHeader: "true"}
		for _, name := range []string{
			"strict_transport_security", "access_control_allow_origin", "access_control_allow_methods",
			"access_control_allow_headers", "access_control_allow_credentials", "access_control_expose_headers",
			"access_control_max_age", "content_security_policy", "x_content_type_options", "x_frame_options",
		} {
			all["routing.http.response."+name+".header_value"] = ""
		}
		if protocol == "HTTPS" {
			maps.Copy(all, requestNames())
		}
		return all
	}
	return nil
}

// requestNames are the attributes with which a secure listener names the fields that tell targets of TLS and of the client's
// certificate ("Rename mTLS/TLS headers").
func requestNames() map[string]string {
	return map[string]string{
		AttributeTLSVersionName: "X-Amzn-Tls-Version", AttributeTLSCipherName: "X-Amzn-Tls-Cipher-Suite",
		"routing.http.request.x_amzn_mtls_clientcert.header_name":               "X-Amzn-Mtls-Clientcert",
		"routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name": "X-Amzn-Mtls-Clientcert-Serial-Number",
		"routing.http.request.x_amzn_mtls_clientcert_issuer.header_name":        "X-Amzn-Mtls-Clientcert-Issuer",
		"routing.http.request.x_amzn_mtls_clientcert_subject.header_name":       "X-Amzn-Mtls-Clientcert-Subject",
		"routing.http.request.x_amzn_mtls_clientcert_validity.header_name":      "X-Amzn-Mtls-Clientcert-Validity",
		"routing.http.request.x_amzn_mtls_clientcert_leaf.header_name":          "X-Amzn-Mtls-Clientcert-Leaf",
	}
}

// TargetGroupAttributes lists the attributes that a target group has, with their defaults ("Target group attributes").
func TargetGroupAttributes(protocol, targetType string) map[string]string {
	all := map[string]string{
		AttributeSticky: "false", AttributeDeregistrationDelay: "300",
		"load_balancing.cross_zone.enabled":                                   "use_load_balancer_configuration",
		"target_group_health.dns_failover.minimum_healthy_targets.count":      "1",
		"target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
		AttributeMinHealthyCount:                                              "1", AttributeMinHealthyPercent: "off",
	}
	if protocol == "HTTP" || protocol == "HTTPS" {
		maps.Copy(all, map[string]string{
			AttributeStickyType: "lb_cookie", AttributeCookieDuration: "86400", AttributeAppCookie: "",
			AttributeAppCookieDuration: "86400", AttributeSlowStart: "0", AttributeAlgorithm: "round_robin", AttributeMitigation: "off",
		})
		return all
	}
	datagrams := protocol == "UDP" || protocol == "TCP_UDP"
	maps.Copy(all, map[string]string{
		AttributeStickyType: "source_ip", AttributeProxyProtocol: "false",
		AttributeTerminate:           strconv.FormatBool(datagrams),
		"preserve_client_ip.enabled": strconv.FormatBool(datagrams || targetType == "instance"),
		AttributeTerminateUnhealthy:  "true", "target_health_state.unhealthy.draining_interval_seconds": "0",
	})
	return all
}
