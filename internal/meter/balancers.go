package meter

import (
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// leads are the load balancers that lead to each target group, both by ARN.
type leads map[string][]string

// leadsOf follows the actions of all listeners and rules.
func leadsOf(v *store.View) leads {
	l := leads{}
	for listener := range v.Listeners("") {
		l.forwards(listener.LoadBalancer, listener.Actions)
		for rule := range v.Rules(listener.ARN) {
			l.forwards(listener.LoadBalancer, rule.Actions)
		}
	}
	return l
}

func (l leads) forwards(balancer string, actions []model.Action) {
	for i := range actions {
		if actions[i].Forward == nil {
			continue
		}
		for _, g := range actions[i].Forward.Groups {
			l.add(g.Group, balancer)
		}
	}
}

func (l leads) add(group, balancer string) {
	if !slices.Contains(l[group], balancer) {
		l[group] = append(l[group], balancer)
	}
}

// balancerSubject is a load balancer, by its ARN or that of a listener of it.
func balancerSubject(of string) subject {
	if strings.Contains(of, ":listener/") {
		of = arn.LoadBalancerOfListener(of)
	}
	_, name, _ := strings.Cut(of, ":loadbalancer/")
	return subject{region: arn.ScopeOf(of).Region, balancer: name}
}

func groupSubject(of string) subject {
	_, name, _ := strings.Cut(of, ":targetgroup/")
	if name != "" {
		name = "targetgroup/" + name
	}
	return subject{region: arn.ScopeOf(of).Region, group: name}
}

func (s subject) with(group subject) subject {
	s.group = group.group
	return s
}

func (s subject) network() bool { return strings.HasPrefix(s.balancer, "net/") }

// balance adds what a balancer told of one second to a sheet.
type balance struct {
	*sheet
	frame    *reading.Frame
	leads    leads
	eligible map[string]int // targets that get requests, by group
}

func newBalance(s *sheet, f *reading.Frame, l leads) *balance {
	b := &balance{sheet: s, frame: f, leads: l, eligible: map[string]int{}}
	for _, g := range f.Groups {
		b.eligible[g.ARN] = g.Eligible
	}
	return b
}

// perTarget is how many of the requests to a group each of its targets that get any got.
func (b *balance) perTarget(group string, requests int64) float64 {
	return float64(requests) / float64(max(1, b.eligible[group]))
}

// minute says it as AWS does ("CloudWatch metrics for your Application Load Balancer", "… for your Network Load Balancer").
func (b *balance) minute() {
	for i := range b.frame.Routes {
		b.route(&b.frame.Routes[i])
	}
	for _, g := range b.frame.Groups {
		for _, balancer := range b.leads[g.ARN] {
			b.hosts(balancerSubject(balancer), &g)
		}
	}
	for of, l := range b.connections() {
		b.always(key{of, model.NamespaceApplication, "RequestCount", count}, 0)
		if l.Active+l.New > 0 {
			b.peak(key{of, model.NamespaceApplication, "ActiveConnectionCount", count}, float64(l.Active))
		}
		b.count(key{of, model.NamespaceApplication, "NewConnectionCount", count}, l.New)
		b.count(key{of, model.NamespaceApplication, "ClientTLSNegotiationErrorCount", count}, l.TLSFails)
	}
	for of, f := range b.flows() {
		b.network(of, f)
	}
	for i := range b.frame.Flows {
		f := &b.frame.Flows[i]
		of := balancerSubject(f.Listener).with(groupSubject(f.Group))
		b.count(key{of, model.NamespaceNetwork, "UnhealthyRoutingFlowCount", count}, f.Unhealthy)
	}
}

func (b *balance) route(r *reading.Route) {
	whole := balancerSubject(r.Listener)
	b.application(whole, &r.Requests)
	b.own(whole, &r.Requests)
	if r.Group == "" {
		return
	}
	group := groupSubject(r.Group)
	b.application(whole.with(group), &r.Requests)
	per := b.perTarget(r.Group, r.Chosen) // in no unit: the alarms of target tracking ask for none
	for _, of := range []subject{group, whole.with(group)} {
		b.grow(key{of, model.NamespaceApplication, "RequestCountPerTarget", none}, per)
	}
}

// application says what is known of a load balancer, and of each of its target groups.
func (b *balance) application(of subject, r *reading.Requests) {
	k := func(name, unit string) key { return key{of, model.NamespaceApplication, name, unit} }
	b.served(of, model.NamespaceApplication, r)
	b.count(k("TargetConnectionErrorCount", count), r.ConnErrors)
	b.count(k("TargetTLSNegotiationErrorCount", count), r.TLSErrors)
	b.count(k("UnhealthyRoutingRequestCount", count), r.Unhealthy)
}

// own says what is known of a load balancer alone.
func (b *balance) own(of subject, r *reading.Requests) {
	k := func(name string) key { return key{of, model.NamespaceApplication, name, count} }
	b.count(k("HTTPCode_ELB_3XX_Count"), r.Own[reading.Class3XX])
	b.count(k("HTTPCode_ELB_4XX_Count"), r.Own[reading.Class4XX])
	b.count(k("HTTPCode_ELB_5XX_Count"), r.Own[reading.Class5XX])
	b.count(k("HTTPCode_ELB_500_Count"), r.Own500)
	b.count(k("HTTPCode_ELB_502_Count"), r.Own502)
	b.count(k("HTTPCode_ELB_503_Count"), r.Own503)
	b.count(k("HTTPCode_ELB_504_Count"), r.Own504)
	b.count(k("HTTP_Redirect_Count"), r.Redirects)
	b.count(k("HTTP_Redirect_Url_Limit_Exceeded_Count"), r.Long)
	b.count(k("HTTP_Fixed_Response_Count"), r.Fixed)
	b.count(k("RuleEvaluations"), r.Rules)
	b.count(k("NonStickyRequestCount"), r.NonSticky)
	b.count(k("ForwardedInvalidHeaderRequestCount"), r.Invalid)
	b.count(k("GrpcRequestCount"), r.GRPC)
	b.count(k("DroppedInvalidHeaderRequestCount"), r.Dropped)
	b.count(k("DesyncMitigationMode_NonCompliant_Request_Count"), r.Desync)
	if n := r.Received + r.Sent; n > 0 {
		b.grow(key{of, model.NamespaceApplication, "ProcessedBytes", bytes}, float64(n))
	}
}

// hosts says how many targets are healthy: a sample of each second and balancer. Groups without requests say that too.
func (b *balance) hosts(of subject, g *reading.Group) {
	group := groupSubject(g.ARN)
	both := of.with(group)
	namespace := model.NamespaceNetwork
	if !of.network() {
		namespace = model.NamespaceApplication
		b.always(key{both, namespace, "RequestCount", count}, 0)
		b.grow(key{both, namespace, "RequestCountPerTarget", none}, 0)
		b.grow(key{group, namespace, "RequestCountPerTarget", none}, 0)
		if g.Judged {
			b.add(key{both, namespace, "AnomalousHostCount", count}, float64(g.Anomalous))
			b.add(key{both, namespace, "MitigatedHostCount", count}, float64(g.Mitigated))
		}
	}
	b.add(key{both, namespace, "HealthyHostCount", count}, float64(g.Healthy))
	b.add(key{both, namespace, "UnHealthyHostCount", count}, float64(g.Unhealthy))
}

// connections adds up the listeners of each Application Load Balancer.
func (b *balance) connections() map[subject]*reading.Listener {
	sums := map[subject]*reading.Listener{}
	for _, l := range b.frame.Listeners {
		of := balancerSubject(l.ARN)
		sum := sums[of]
		if sum == nil {
			sum = &reading.Listener{}
			sums[of] = sum
		}
		sum.Active, sum.New, sum.TLSFails = sum.Active+l.Active, sum.New+l.New, sum.TLSFails+l.TLSFails
	}
	return sums
}

// flows adds up the ways of each Network Load Balancer, by protocol. Those that lead to a target group and have no flow are
// there too.
func (b *balance) flows() map[subject]map[string]*reading.Flows {
	sums := map[subject]map[string]*reading.Flows{}
	for i := range b.frame.Groups {
		for _, balancer := range b.leads[b.frame.Groups[i].ARN] {
			if of := balancerSubject(balancer); of.network() {
				sums[of] = nil
			}
		}
	}
	for i := range b.frame.Flows {
		f := &b.frame.Flows[i]
		of := balancerSubject(f.Listener)
		if sums[of] == nil {
			sums[of] = map[string]*reading.Flows{}
		}
		if sums[of][f.Protocol] == nil {
			sums[of][f.Protocol] = &reading.Flows{Protocol: f.Protocol}
		}
		sums[of][f.Protocol].Add(&f.Flows)
	}
	return sums
}

// network says what is known of a Network Load Balancer: in all, and of each protocol. Of all, zeros are said too.
func (b *balance) network(of subject, by map[string]*reading.Flows) {
	k := func(name string) key { return key{of, model.NamespaceNetwork, name, count} }
	var all reading.Flows
	for protocol, f := range by {
		all.Add(f)
		b.protocol(of, protocol, f)
	}
	b.add(k("ActiveFlowCount"), float64(all.Active))
	b.always(k("NewFlowCount"), all.New)
	b.grow(key{of, model.NamespaceNetwork, "ProcessedBytes", bytes}, float64(all.Received+all.Sent))
	b.busiest(key{of, model.NamespaceNetwork, "PeakBytesPerSecond", bytesPerSecond}, b.frame.Second, float64(all.Received+all.Sent))
	b.always(k("TCP_Client_Reset_Count"), all.ClientResets)
	b.always(k("TCP_Target_Reset_Count"), all.TargetResets)
	b.always(k("TCP_ELB_Reset_Count"), all.OwnResets)
	b.count(k("RejectedFlowCount"), all.Rejected)
	b.count(k("ClientTLSNegotiationErrorCount"), all.ClientTLS)
	b.count(k("TargetTLSNegotiationErrorCount"), all.TargetTLS)
	b.count(k("UnhealthyRoutingFlowCount"), all.Unhealthy)
}

// protocol says it of one protocol. What the security groups do not let in is of TCP also where a listener speaks TLS, as
// nothing is known of it but that.
func (b *balance) protocol(of subject, protocol string, f *reading.Flows) {
	k := func(name string) key { return key{of, model.NamespaceNetwork, name + "_" + protocol, count} }
	b.add(k("ActiveFlowCount"), float64(f.Active))
	b.count(k("NewFlowCount"), f.New)
	if n := f.Received + f.Sent; n > 0 {
		b.grow(key{of, model.NamespaceNetwork, "ProcessedBytes_" + protocol, bytes}, float64(n))
	}
	b.count(k("SecurityGroupBlockedFlowCount_Inbound"), f.Blocked)
	if protocol == "TCP" {
		b.count(k("RejectedFlowCount"), f.Rejected)
	}
}

// fast says it for the second: of load balancers and of target groups.
func (b *balance) fast() {
	for i := range b.frame.Routes {
		r := &b.frame.Routes[i]
		whole := balancerSubject(r.Listener)
		b.served(whole, model.NamespaceFast, &r.Requests)
		b.count(key{whole, model.NamespaceFast, "HTTPCode_ELB_3XX_Count", count}, r.Own[reading.Class3XX])
		b.count(key{whole, model.NamespaceFast, "HTTPCode_ELB_4XX_Count", count}, r.Own[reading.Class4XX])
		b.count(key{whole, model.NamespaceFast, "HTTPCode_ELB_5XX_Count", count}, r.Own[reading.Class5XX])
		if r.Group != "" {
			group := groupSubject(r.Group)
			b.served(group, model.NamespaceFast, &r.Requests)
			b.grow(key{group, model.NamespaceFast, "RequestCountPerTarget", count}, b.perTarget(r.Group, r.Chosen))
		}
	}
	for i := range b.frame.Groups {
		b.fastGroup(&b.frame.Groups[i])
	}
	for i := range b.frame.Flows {
		if f := &b.frame.Flows[i]; f.Group != "" {
			b.count(key{groupSubject(f.Group), model.NamespaceFast, "NewFlowCount", count}, f.New)
		}
	}
	for of, l := range b.connections() {
		b.always(key{of, model.NamespaceFast, "RequestCount", count}, 0)
		b.add(key{of, model.NamespaceFast, "ActiveConnectionCount", count}, float64(l.Active))
	}
	for of, by := range b.flows() {
		active := int64(0)
		for _, f := range by {
			active += f.Active
		}
		b.add(key{of, model.NamespaceFast, "ActiveConnectionCount", count}, float64(active))
	}
}

// fastGroup says what there is to say of a group that some load balancer leads to, though nobody asks it anything.
func (b *balance) fastGroup(g *reading.Group) {
	if len(b.leads[g.ARN]) == 0 {
		return
	}
	of := groupSubject(g.ARN)
	b.add(key{of, model.NamespaceFast, "ActiveConnectionCount", count}, float64(g.InFlight))
	b.add(key{of, model.NamespaceFast, "HealthyHostCount", count}, float64(g.Healthy))
	b.add(key{of, model.NamespaceFast, "UnHealthyHostCount", count}, float64(g.Unhealthy))
	if balancerSubject(b.leads[g.ARN][0]).network() {
		b.always(key{of, model.NamespaceFast, "NewFlowCount", count}, 0)
		return
	}
	b.always(key{of, model.NamespaceFast, "RequestCount", count}, 0)
	b.grow(key{of, model.NamespaceFast, "RequestCountPerTarget", count}, 0)
}

// served says what targets made of requests.
func (b *balance) served(of subject, namespace string, r *reading.Requests) {
	k := func(name, unit string) key { return key{of, namespace, name, unit} }
	b.always(k("RequestCount", count), r.Chosen)
	b.times(k("TargetResponseTime", seconds), &r.Latency)
	b.count(k("HTTPCode_Target_2XX_Count", count), r.Answers[reading.Class2XX])
	b.count(k("HTTPCode_Target_3XX_Count", count), r.Answers[reading.Class3XX])
	b.count(k("HTTPCode_Target_4XX_Count", count), r.Answers[reading.Class4XX])
	b.count(k("HTTPCode_Target_5XX_Count", count), r.Answers[reading.Class5XX])
}
