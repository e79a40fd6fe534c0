package logs

import "github.com/maitred/maitred/internal/api/wire"

// table lists all operations.
func (a *API) table() []wire.Operation {
	ops := []wire.Operation{
		op(a, "CreateLogGroup", a.createLogGroup),
		op(a, "DeleteLogGroup", a.deleteLogGroup),
		op(a, "DescribeLogGroups", a.describeLogGroups),
		op(a, "CreateLogStream", a.createLogStream),
		op(a, "DeleteLogStream", a.deleteLogStream),
		op(a, "DescribeLogStreams", a.describeLogStreams),
		op(a, "PutLogEvents", a.putLogEvents),
		op(a, "GetLogEvents", a.getLogEvents),
		op(a, "FilterLogEvents", a.filterLogEvents),
		op(a, "PutRetentionPolicy", a.putRetentionPolicy),
		op(a, "DeleteRetentionPolicy", a.deleteRetentionPolicy),
		op(a, "TagResource", a.tagResource),
		op(a, "UntagResource", a.untagResource),
		op(a, "ListTagsForResource", a.listTagsForResource),
		op(a, "TagLogGroup", a.tagLogGroup),
		op(a, "UntagLogGroup", a.untagLogGroup),
		op(a, "ListTagsLogGroup", a.listTagsLogGroup),
	}
	return append(ops, wire.AllUnsupported("InvalidOperationException", refusals())...)
}

// refusals are the operations that are not there, by what to do instead.
func refusals() map[string][]string {
	return map[string][]string{
		"call FilterLogEvents again and again, as `aws logs tail --follow` does, or run `maitred logs -f`": {
			"StartLiveTail",
		},
		"search with FilterLogEvents": {
			"CreateLookupTable", "CreateScheduledQuery", "DeleteIndexPolicy", "DeleteLookupTable",
			"DeleteQueryDefinition", "DeleteScheduledQuery", "DescribeFieldIndexes", "DescribeIndexPolicies",
			"DescribeLookupTables", "DescribeQueries", "DescribeQueryDefinitions", "GetLogFields", "GetLogGroupFields",
			"GetLogObject", "GetLogRecord", "GetLookupTable", "GetQueryResults", "GetScheduledQuery",
			"GetScheduledQueryHistory", "ListLogGroupsForQuery", "ListScheduledQueries", "PutIndexPolicy",
			"PutQueryDefinition", "StartQuery", "StopQuery", "UpdateLookupTable", "UpdateScheduledQuery",
		},
		"logs stay on the machines; read them with FilterLogEvents": {
			"AssociateSourceToS3TableIntegration", "CancelExportTask", "CancelImportTask", "CreateDelivery",
			"CreateExportTask", "CreateImportTask", "DeleteDelivery", "DeleteDeliveryDestination",
			"DeleteDeliveryDestinationPolicy", "DeleteDeliverySource", "DeleteDestination", "DeleteIntegration",
			"DeleteSubscriptionFilter", "DeleteSyslogConfiguration", "DescribeConfigurationTemplates",
			"DescribeDeliveries", "DescribeDeliveryDestinations", "DescribeDeliverySources", "DescribeDestinations",
			"DescribeExportTasks", "DescribeImportTaskBatches", "DescribeImportTasks", "DescribeSubscriptionFilters",
			"DisassociateSourceFromS3TableIntegration", "GetDelivery", "GetDeliveryDestination",
			"GetDeliveryDestinationPolicy", "GetDeliverySource", "GetIntegration", "ListIntegrations",
			"ListSourcesForS3TableIntegration", "ListSyslogConfigurations", "PutBearerTokenAuthentication",
			"PutDeliveryDestination", "PutDeliveryDestinationPolicy", "PutDeliverySource", "PutDestination",
			"PutDestinationPolicy", "PutIntegration", "PutSubscriptionFilter", "PutSyslogConfiguration",
			"UpdateDeliveryConfiguration",
		},
		"read events with FilterLogEvents": {
			"CreateLogAnomalyDetector", "DeleteLogAnomalyDetector", "DeleteMetricFilter", "DeleteTransformer",
			"DescribeMetricFilters", "GetLogAnomalyDetector", "GetTransformer", "ListAnomalies",
			"ListLogAnomalyDetectors", "PutMetricFilter", "PutTransformer", "TestMetricFilter", "TestTransformer",
			"UpdateAnomaly", "UpdateLogAnomalyDetector",
		},
		"events are kept as they are; PutRetentionPolicy says for how long": {
			"AssociateKmsKey", "DeleteAccountPolicy", "DeleteDataProtectionPolicy", "DeleteResourcePolicy",
			"DescribeAccountPolicies", "DescribeResourcePolicies", "DisassociateKmsKey", "GetDataProtectionPolicy",
			"GetStorageTierPolicy", "PutAccountPolicy", "PutDataProtectionPolicy", "PutLogGroupDeletionProtection",
			"PutResourcePolicy", "PutStorageTierPolicy",
		},
		"use DescribeLogGroups": {
			"ListAggregateLogGroupSummaries", "ListLogGroups",
		},
	}
}
