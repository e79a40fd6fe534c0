package cloudwatch

import "github.com/maitred/maitred/internal/api/wire"

// table lists the operations.
func (a *API) table() []wire.Operation {
	ops := []wire.Operation{
		a.putMetricDataOp(),
		op(a, "DeleteAlarms", a.deleteAlarms),
		op(a, "DescribeAlarmHistory", a.describeAlarmHistory),
		op(a, "DescribeAlarms", a.describeAlarms),
		op(a, "DescribeAlarmsForMetric", a.describeAlarmsForMetric),
		op(a, "DisableAlarmActions", a.disableAlarmActions),
		op(a, "EnableAlarmActions", a.enableAlarmActions),
		op(a, "GetMetricData", a.getMetricData),
		op(a, "GetMetricStatistics", a.getMetricStatistics),
		op(a, "ListMetrics", a.listMetrics),
		op(a, "ListTagsForResource", a.listTagsForResource),
		op(a, "PutCompositeAlarm", a.putCompositeAlarm),
		op(a, "PutMetricAlarm", a.putMetricAlarm),
		op(a, "SetAlarmState", a.setAlarmState),
		op(a, "TagResource", a.tagResource),
		op(a, "UntagResource", a.untagResource),
	}
	for _, r := range refusals() {
		for _, name := range r.names {
			ops = append(ops, wire.Refuse(name, "InvalidAction", name+" is not supported by this version of maitred: "+r.instead+"."))
		}
	}
	return ops
}

// refusal is operations that are not there for one reason. They answer InvalidAction, as an action that a region does not
// have: clients know to do without.
type refusal struct {
	instead string
	names   []string
}

func refusals() []refusal {
	return []refusal{
		{
			instead: "draw what GetMetricData gives",
			names: []string{
				"DeleteDashboards", "GetDashboard", "GetMetricWidgetImage", "ListDashboards", "PutDashboard",
			},
		},
		{
			instead: "alarms compare with a threshold; a band of what is usual is not learnt",
			names:   []string{"DeleteAnomalyDetector", "DescribeAnomalyDetectors", "PutAnomalyDetector"},
		},
		{
			instead: "an alarm looks at one series; make an alarm for each",
			names:   []string{"DescribeAlarmContributors"},
		},
		{
			instead: "disable the actions of alarms with DisableAlarmActions, or suppress those of a composite alarm",
			names:   []string{"DeleteAlarmMuteRule", "GetAlarmMuteRule", "ListAlarmMuteRules", "PutAlarmMuteRule"},
		},
		{
			instead: "alarms look at metrics; read logs with FilterLogEvents of CloudWatch Logs",
			names: []string{
				"DeleteInsightRules", "DescribeInsightRules", "DisableInsightRules", "EnableInsightRules", "GetInsightRuleReport",
				"ListManagedInsightRules", "PutInsightRule", "PutLogAlarm", "PutManagedInsightRules",
			},
		},
		{
			instead: "read metrics with GetMetricData",
			names: []string{
				"DeleteMetricStream", "GetMetricStream", "ListMetricStreams", "PutMetricStream", "StartMetricStreams",
				"StopMetricStreams",
			},
		},
		{
			instead: "give GetMetricData its queries in each request",
			names: []string{
				"DeleteMetricDataQueryDefinition", "GetMetricDataQueryDefinition", "ListMetricDataQueryDefinitions",
				"PutMetricDataQueryDefinition",
			},
		},
		{
			instead: "metrics of services, tasks and targets are always published, and kept unencrypted on this machine",
			names: []string{
				"AssociateDatasetKmsKey", "CreateResourceMetricsConfiguration", "DeleteResourceMetricsConfiguration",
				"DisassociateDatasetKmsKey", "GetDataset", "GetOTelEnrichment", "GetResourceMetricsConfiguration",
				"StartOTelEnrichment", "StopOTelEnrichment", "UpdateOTelEnrichment", "UpdateResourceMetricsConfiguration",
			},
		},
	}
}
