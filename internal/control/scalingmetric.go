package control

import (
	"reflect"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The predefined metrics of services ("PredefinedMetricSpecification").
const (
	PredefinedCPU        = "ECSServiceAverageCPUUtilization"
	PredefinedMemory     = "ECSServiceAverageMemoryUtilization"
	PredefinedFastCPU    = PredefinedCPU + highResolution
	PredefinedFastMemory = PredefinedMemory + highResolution
	PredefinedRequests   = "ALBRequestCountPerTarget"

	highResolution = "HighResolution"
)

// FastTag is the tag of a service whose policies are all looked at each second, whatever their metrics, if its value is
// FastValue. The scaler looks at it, so it takes effect at once in both directions, and no policy is written for it.
const (
	FastTag   = "maitred:scaling"
	FastValue = "fast"
)

// The periods of what is tracked, in seconds.
const (
	trackingPeriod       = 60
	trackingPeriodFast   = 20
	trackingQuery        = "m1"
	percent, noUnit      = "Percent", "None"
	average, sum         = "Average", "Sum"
	cpuMetric            = model.MetricCPU
	memoryMetric         = model.MetricMemory
	requestsMetric       = "RequestCountPerTarget"
	dimensionCluster     = "ClusterName"
	dimensionService     = "ServiceName"
	dimensionBalancer    = "LoadBalancer"
	dimensionTargetGroup = "TargetGroup"
)

// resolveTracking finds out what a target tracking policy measures, in a copy. Two policies of a target must not measure the
// same ("Target tracking scaling policies for Application Auto Scaling").
func resolveTracking(tx *store.Tx, call Call, t *model.ScalableTarget, p *model.ScalingPolicy) error {
	if p.Tracking == nil {
		return nil
	}
	tracking := *p.Tracking
	if tracking.Predefined != "" {
		query, err := predefined(tx, call, t, &tracking)
		if err != nil {
			return err
		}
		tracking.Queries = []model.MetricQuery{query}
	}
	tracking.Fast = fastTracking(&tracking)
	p.Tracking = &tracking
	for other := range tx.View().ScalingPolicies(t.Path()) {
		if other.Name != p.Name && other.Tracking != nil && sameMetric(other.Tracking, &tracking) {
			return unscalable("Only one TargetTrackingScaling policy for a given metric specification is allowed. The policy %s has it already.", other.Name)
		}
	}
	return nil
}

func sameMetric(x, y *model.Tracking) bool {
	return x.Predefined == y.Predefined && x.Label == y.Label && reflect.DeepEqual(x.Queries, y.Queries)
}

// fastTracking says whether there is data of each second of all that a policy measures.
func fastTracking(t *model.Tracking) bool {
	if t.Predefined == PredefinedFastCPU || t.Predefined == PredefinedFastMemory {
		return true
	}
	fast := false
	for _, q := range t.Queries {
		if q.Metric != nil {
			if q.Metric.Namespace != model.NamespaceFast {
				return false
			}
			fast = true
		}
	}
	return fast
}

// predefined is the query of a predefined metric.
func predefined(tx *store.Tx, call Call, t *model.ScalableTarget, tracking *model.Tracking) (model.MetricQuery, error) {
	if tracking.Predefined == PredefinedRequests {
		return requestsPerTarget(tx, call, tracking.Label)
	}
	if tracking.Label != "" {
		return model.MetricQuery{}, unscalable("The resource label must not be given for the predefined metric type %s; it belongs to %s alone", tracking.Predefined, PredefinedRequests)
	}
	var name string
	switch tracking.Predefined {
	case PredefinedCPU, PredefinedFastCPU:
		name = cpuMetric
	case PredefinedMemory, PredefinedFastMemory:
		name = memoryMetric
	default:
		return model.MetricQuery{}, unscalable("The predefined metric type %.100s is not one of ECS services: those are %s", tracking.Predefined,
			strings.Join([]string{PredefinedCPU, PredefinedMemory, PredefinedRequests, PredefinedFastCPU, PredefinedFastMemory}, ", "))
	}
	period := trackingPeriod
	if strings.HasSuffix(tracking.Predefined, highResolution) {
		period = trackingPeriodFast
	}
	part := strings.Split(t.Resource, "/")
	return model.MetricQuery{ID: trackingQuery, Statistic: average, Unit: percent, Period: period, Metric: &model.Metric{
		Namespace: model.NamespaceECS, Name: name,
		Dimensions: []model.Dimension{{Name: dimensionCluster, Value: part[1]}, {Name: dimensionService, Value: part[2]}},
	}}, nil
}

// requestsPerTarget is the query of the requests per target of a target group, which a label names together with the load
// balancer: app/NAME/ID/targetgroup/NAME/ID.
func requestsPerTarget(tx *store.Tx, call Call, label string) (model.MetricQuery, error) {
	const parts, ofBalancer = 6, 3
	part := strings.Split(label, "/")
	if len(part) != parts || part[0] != "app" || part[ofBalancer] != "targetgroup" {
		return model.MetricQuery{}, unscalable("The resource label of %s has to be app/<load balancer name>/<id>/targetgroup/<target group name>/<id>, got '%.300s'", PredefinedRequests, label)
	}
	balancer, group := strings.Join(part[:ofBalancer], "/"), strings.Join(part[ofBalancer:], "/")
	b, err := FindLoadBalancer(tx.View(), call, call.ApplicationLoadBalancer(part[1], part[2]))
	if err != nil {
		return model.MetricQuery{}, unscalable("Invalid resource label %s: the load balancer %s does not exist", label, balancer)
	}
	g, err := FindTargetGroup(tx.View(), call, call.TargetGroup(part[4], part[5]))
	if err != nil {
		return model.MetricQuery{}, unscalable("Invalid resource label %s: the target group %s does not exist", label, group)
	}
	if !routes(tx.View(), b.ARN, g.ARN) {
		return model.MetricQuery{}, unscalable("The load balancer does not route traffic to the target group: no listener or rule of %s leads to %s", balancer, group)
	}
	return model.MetricQuery{ID: trackingQuery, Statistic: sum, Unit: noUnit, Period: trackingPeriod, Metric: &model.Metric{
		Namespace: model.NamespaceApplication, Name: requestsMetric,
		Dimensions: []model.Dimension{{Name: dimensionBalancer, Value: balancer}, {Name: dimensionTargetGroup, Value: group}},
	}}, nil
}

// routes says whether a load balancer leads to a target group, by a listener or a rule. Both are ARNs.
func routes(v *store.View, balancer, group string) bool {
	for l := range v.Listeners(balancer) {
		if groupsOf(l.Actions)[group] {
			return true
		}
		for r := range v.Rules(l.ARN) {
			if groupsOf(r.Actions)[group] {
				return true
			}
		}
	}
	return false
}

// alarmNameMax is the longest name of an alarm ("PutMetricAlarm").
const alarmNameMax = 255

// replaceAlarms gives a policy its alarms, and deletes those that it had.
func replaceAlarms(tx *store.Tx, call Call, t *model.ScalableTarget, old, p *model.ScalingPolicy) error {
	if old != nil {
		for _, name := range old.Alarms {
			DeleteAlarm(tx, call, model.AlarmPath(call.Region, name))
		}
	}
	if p.Tracking == nil {
		return nil
	}
	for _, a := range trackingAlarms(call, t, p) {
		if err := PutAlarm(tx, call, a); err != nil {
			return err
		}
		p.Alarms = append(p.Alarms, a.Name)
	}
	return nil
}

// trackingAlarms are the alarms of a target tracking policy, the high one first. They are the ones that AWS makes, down to
// the numbers: 3 periods above the target value, and 15 minutes below nine tenths of it, or 10 at high resolution.
func trackingAlarms(call Call, t *model.ScalableTarget, p *model.ScalingPolicy) []*model.Alarm {
	const highPeriods, lowPeriods, lowPeriodsFast = 3, 15, 30
	high := trackingAlarm(call, t, p, "AlarmHigh")
	high.Comparison, high.Threshold, high.EvaluationPeriods = model.Greater, p.Tracking.Value, highPeriods
	if p.Tracking.NoScaleIn {
		return []*model.Alarm{high}
	}
	low := trackingAlarm(call, t, p, "AlarmLow")
	low.Comparison, low.Threshold, low.EvaluationPeriods = model.Less, lowThreshold(p.Tracking.Value), lowPeriods
	if low.Resolution().Seconds() == trackingPeriodFast {
		low.EvaluationPeriods = lowPeriodsFast
	}
	return []*model.Alarm{high, low}
}

// lowThreshold is nine tenths of a target value, to the nearest number: 0.9 times 70 is 63.
func lowThreshold(value float64) float64 {
	const tenths, of = 9, 10
	return value * tenths / of
}

func trackingAlarm(call Call, t *model.ScalableTarget, p *model.ScalingPolicy, kind string) *model.Alarm {
	tail := "-" + kind + "-" + call.IDs.UUID()
	head := "TargetTracking-" + t.Resource
	created := arn.CreatedBy(p.ARN, p.Creator)
	a := &model.Alarm{
		Name:        head[:min(len(head), alarmNameMax-len(tail))] + tail,
		Description: "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + created + ".",
		Region:      call.Region, ActionsEnabled: true, AlarmActions: []string{created}, TreatMissing: model.MissingMissing, Policy: p.ARN,
	}
	if q := p.Tracking.Queries[0]; len(p.Tracking.Queries) == 1 && q.Metric != nil {
		a.Metric, a.Statistic, a.Unit, a.Period = q.Metric, q.Statistic, q.Unit, q.Period
	} else {
		a.Queries = p.Tracking.Queries
	}
	return a
}
