package control

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// attributeKind is what attributes something has.
type attributeKind struct {
	of, on    string            // "Target group", "target groups with the protocol TCP"
	known     map[string]string // with their defaults
	elsewhere []map[string]string
}

// set gives the attributes with those that are set; the others keep their values. A key that is not there is refused in
// words from which Terraform knows that it is to do without.
func (k attributeKind) set(old map[string]string, set []model.KeyValue) (map[string]string, error) {
	all := maps.Clone(old)
	if all == nil {
		all = map[string]string{}
	}
	seen := map[string]bool{}
	for _, a := range set {
		standard, ok := k.known[a.Key]
		switch {
		case seen[a.Key]:
			return nil, invalid("%s attribute key '%s' is specified more than once", k.of, a.Key)
		case !ok && slices.ContainsFunc(k.elsewhere, func(m map[string]string) bool { _, ok := m[a.Key]; return ok }):
			return nil, misconfigured("%s attribute key '%s' is not supported on %s", k.of, a.Key, k.on)
		case !ok:
			return nil, invalid("%s attribute key '%.100s' is not recognized", k.of, a.Key)
		}
		seen[a.Key] = true
		if a.Value != standard {
			if problem := attributeProblem(a.Key, a.Value); problem != "" {
				return nil, invalid("%s attribute '%s': the value '%.200s' is not valid: %s", k.of, a.Key, a.Value, problem)
			}
			if why := notServed(a.Key, a.Value); why != "" {
				return nil, misconfigured("%s attribute '%s' with the value '%s' is not supported by this version of maitred: %s", k.of, a.Key, a.Value, why)
			}
		}
		all[a.Key] = a.Value
	}
	return all, nil
}

// notServed says why a value that is not the default of an attribute cannot be had, "" if it can. What would be accepted and
// change nothing is not accepted.
func notServed(key, value string) string {
	switch key {
	case "connection_logs.s3.enabled", "health_check_logs.s3.enabled":
		return "only access logs are written"
	case "zonal_shift.config.enabled":
		return "there are no zones to shift traffic away from"
	case "secondary_ips.auto_assigned.per_subnet":
		return "a load balancer has one address"
	case "waf.fail_open.enabled":
		return "there are no web access control lists that could fail"
	case "ipv6.deny_all_igw_traffic":
		return "there is no internet gateway; security groups and the address of a load balancer say who reaches it"
	case "dns_record.client_routing_policy",
		"target_group_health.dns_failover.minimum_healthy_targets.count", "target_group_health.dns_failover.minimum_healthy_targets.percentage":
		return "the name of a load balancer is its address, and nothing is decided by DNS"
	case "target_health_state.unhealthy.draining_interval_seconds":
		return "connections to a target that becomes unhealthy are closed at once, or, with '" + model.AttributeTerminateUnhealthy + "' false, go on"
	case "preserve_client_ip.enabled":
		if value == "true" {
			return "connections to targets come from the balancer; proxy_protocol_v2.enabled tells targets who the client is"
		}
	}
	if strings.HasPrefix(key, "routing.http.request.x_amzn_mtls_") {
		return "clients are not asked for certificates, and targets are told nothing of them"
	}
	return ""
}

// The bounds of attributes' values ("LoadBalancerAttribute", "TargetGroupAttribute", "ListenerAttribute").
const (
	attributeMax     = 1024 // characters
	stickyMost       = 604800
	idleMost         = 4000
	keepAliveLeast   = 60
	tcpIdleLeast     = 60
	tcpIdleMost      = 6000
	delayMost        = 3600
	slowLeast        = 30
	slowMost         = 900
	drainingMost     = 360000
	percentMost      = 100
	secondaryMost    = 7
	cookieNameMost   = 128
	healthyCountMost = TargetsMax
)

// attributeProblem says what is wrong with a value that is not the default, "" if nothing is.
func attributeProblem(key, value string) string {
	switch key {
	case AttributeCrossZone:
		return oneOf(value, "true", "false", "use_load_balancer_configuration")
	case "dns_record.client_routing_policy":
		return oneOf(value, "availability_zone_affinity", "partial_availability_zone_affinity", "any_availability_zone")
	case model.AttributeXFFMode:
		return oneOf(value, "append", "preserve", "remove")
	case model.AttributeDesync:
		return oneOf(value, "monitor", "defensive", "strictest")
	case model.AttributeAlgorithm:
		return oneOf(value, "round_robin", "least_outstanding_requests", "weighted_random")
	case model.AttributeMitigation:
		return oneOf(value, "on", "off")
	case model.AttributeStickyType:
		return oneOf(value, "lb_cookie", "app_cookie", "source_ip")
	case model.AttributeAppCookie:
		return cookieProblem(value)
	case "target_group_health.dns_failover.minimum_healthy_targets.count":
		return offOr(value, healthyCountMost)
	case "target_group_health.dns_failover.minimum_healthy_targets.percentage", model.AttributeMinHealthyPercent:
		return offOr(value, percentMost)
	case model.AttributeSlowStart:
		return numberFrom(value, slowLeast, slowMost)
	}
	if bounds, ok := attributeBounds()[key]; ok {
		return numberFrom(value, bounds[0], bounds[1])
	}
	if strings.HasSuffix(key, ".header_name") {
		return fieldNameProblem(value)
	}
	if strings.HasSuffix(key, ".enabled") {
		return oneOf(value, "true", "false")
	}
	return textProblem(value)
}

// AttributeCrossZone is the attribute that both load balancers and target groups have, with different values.
const AttributeCrossZone = "load_balancing.cross_zone.enabled"

// attributeBounds are the least and the largest value of attributes that are numbers.
func attributeBounds() map[string][2]int {
	return map[string][2]int{
		model.AttributeDeregistrationDelay:                        {0, delayMost},
		model.AttributeCookieDuration:                             {1, stickyMost},
		model.AttributeAppCookieDuration:                          {1, stickyMost},
		model.AttributeMinHealthyCount:                            {1, healthyCountMost},
		model.AttributeIdleTimeout:                                {1, idleMost},
		model.AttributeClientKeepAlive:                            {keepAliveLeast, stickyMost},
		model.AttributeTCPIdleTimeout:                             {tcpIdleLeast, tcpIdleMost},
		"target_health_state.unhealthy.draining_interval_seconds": {0, drainingMost},
		"secondary_ips.auto_assigned.per_subnet":                  {0, secondaryMost},
	}
}

func oneOf(value string, allowed ...string) string {
	if slices.Contains(allowed, value) {
		return ""
	}
	return "it must be one of " + strings.Join(allowed, ", ")
}

func numberFrom(value string, least, most int) string {
	// What is not written as numbers usually are would be told back differently.
	if n, err := strconv.Atoi(value); err == nil && n >= least && n <= most && strconv.Itoa(n) == value {
		return ""
	}
	return fmt.Sprintf("it must be a number from %d to %d", least, most)
}

func offOr(value string, most int) string {
	if value == "off" || numberFrom(value, 1, most) == "" {
		return ""
	}
	return fmt.Sprintf("it must be off, or a number from 1 to %d", most)
}

// cookieProblem checks the name of a cookie: a token that is not one of the load balancer's own ("Sticky sessions").
func cookieProblem(name string) string {
	switch {
	case name == "" || len(name) > cookieNameMost:
		return fmt.Sprintf("the name of a cookie has 1 to %d characters", cookieNameMost)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }):
		return "the name of a cookie has letters, digits and !#$%&'*+-.^_`|~"
	case strings.HasPrefix(name, "AWSALB"):
		return "names that begin with AWSALB, AWSALBAPP or AWSALBTG are those of the load balancer"
	}
	return ""
}

// fieldNameProblem checks the name of a field that targets are told something in. Whatever else says something in this field
// is not passed on: it cannot be one that HTTP or the load balancer needs.
func fieldNameProblem(name string) string {
	if name == "" || len(name) > attributeMax || strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return fmt.Sprintf("the name of a field has 1 to %d letters, digits and hyphens", attributeMax)
	}
	lower := strings.ToLower(name)
	for _, begin := range []string{"content-", "proxy-", "x-forwarded-", "x-amzn-"} {
		if strings.HasPrefix(lower, begin) {
			return "names that begin with " + begin + " have a meaning already"
		}
	}
	switch lower {
	case "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect", "user-agent", "cookie", "authorization":
		return "this name has a meaning already"
	}
	return ""
}

// textProblem checks a text that becomes part of a header or of a file's name.
func textProblem(value string) string {
	if len(value) > attributeMax || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return fmt.Sprintf("it has at most %d printable ASCII characters", attributeMax)
	}
	return ""
}
