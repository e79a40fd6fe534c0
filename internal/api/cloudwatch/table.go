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
	return append(ops, wire.AllUnsupported("InvalidAction", refusals())...)
}

// refusals are the operations that are not there, by what to do instead. They answer InvalidAction, as an action that a region
// does not have: clients know to do without.
func refusals() map[string][]string {
	return map[string][]string{
		"draw what GetMetricData gives": {
			"DeleteDashboards", "GetDashboard", "GetMetricWidgetImage", "ListDashboards", "PutDashboard",
		},
		"alarms compare with a threshold; a band of what is usual is not learnt":                         {"DeleteAnomalyDetector", "DescribeAnomalyDetectors", "PutAnomalyDetector"},
		"an alarm looks at one series; make an alarm for each":                                           {"DescribeAlarmContributors"},
		"disable the actions of alarms with DisableAlarmActions, or suppress those of a composite alarm": {"DeleteAlarmMuteRule", "GetAlarmMuteRule", "ListAlarmMuteRules", "PutAlarmMuteRule"},
		"alarms look at metrics; read logs with FilterLogEvents of CloudWatch Logs": {
			"DeleteInsightRules", "DescribeInsightRules", "DisableInsightRules", "EnableInsightRules", "GetInsightRuleReport",
			"ListManagedInsightRules", "PutInsightRule", "PutLogAlarm", "PutManagedInsightRules",
		},
		"read metrics with GetMetricData": {
			"DeleteMetricStream", "GetMetricStream", "ListMetricStreams", "PutMetricStream", "StartMetricStreams",
			"StopMetricStreams",
		},
		"give GetMetricData its queries in each request": {
			"DeleteMetricDataQueryDefinition", "GetMetricDataQueryDefinition", "ListMetricDataQueryDefinitions",
			"PutMetricDataQueryDefinition",
		},
		"metrics of services, tasks and targets are always published, and kept unencrypted on this machine": {
			"AssociateDatasetKmsKey", "CreateResourceMetricsConfiguration", "DeleteResourceMetricsConfiguration",
			"DisassociateDatasetKmsKey", "GetDataset", "GetOTelEnrichment", "GetResourceMetricsConfiguration",
			"StartOTelEnrichment", "StopOTelEnrichment", "UpdateOTelEnrichment", "UpdateResourceMetricsConfiguration",
		},
	}
}
