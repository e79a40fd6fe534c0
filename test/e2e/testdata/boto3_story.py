"""boto3's waiters and paginators against a maitred with the example service, given by the AWS_… variables.

The argument is a port for a load balancer. It fails at the first thing that is not as it should be.
"""

import datetime
import sys

import boto3

port = int(sys.argv[1])
ecs = boto3.client("ecs")
elb = boto3.client("elbv2")
cloudwatch = boto3.client("cloudwatch")
scaling = boto3.client("application-autoscaling")
ec2 = boto3.client("ec2")

SOON = {"Delay": 1, "MaxAttempts": 100}


def wait(client, waiter, **args):
    client.get_waiter(waiter).wait(WaiterConfig=SOON, **args)
    print("waited:", waiter)


def pages(client, operation, result, least, size=1, **args):
    """Takes all pages of a size: each holds at most so many, and together they have no gap and nothing twice."""
    parts = list(client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **args))
    found = [x for p in parts for x in p[result]]
    assert all(len(p[result]) <= size for p in parts), (operation, [len(p[result]) for p in parts])
    whole = [x for p in client.get_paginator(operation).paginate(**args) for x in p[result]]
    assert found == whole, (operation, found, whole)
    assert len(found) >= least, (operation, found)
    texts = [repr(x) for x in found]
    assert len(set(texts)) == len(texts), (operation, found)
    print(f"paged: {operation}, {len(found)} in {len(parts)} pages")
    return found


def refused(call, code, **args):
    try:
        call(**args)
    except Exception as e:  # whatever boto3 makes of it
        assert code in str(e), e
        return
    raise AssertionError(f"{call} was not refused with {code}")


# A load balancer with two listeners and rules.
subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
lb = elb.create_load_balancer(Name="waits", Subnets=subnets)["LoadBalancers"][0]
wait(elb, "load_balancer_exists", LoadBalancerArns=[lb["LoadBalancerArn"]])
wait(elb, "load_balancer_available", LoadBalancerArns=[lb["LoadBalancerArn"]])


def target_group(name):
    made = elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", HealthCheckPath="/healthz")
    made = made["TargetGroups"][0]["TargetGroupArn"]
    elb.modify_target_group_attributes(
        TargetGroupArn=made, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}])
    return made, [{"Type": "forward", "TargetGroupArn": made}]


group, forward = target_group("waits")
listener = elb.create_listener(LoadBalancerArn=lb["LoadBalancerArn"], Protocol="HTTP", Port=port, DefaultActions=forward)
listener = listener["Listeners"][0]["ListenerArn"]
for i in range(1, 5):
    elb.create_rule(ListenerArn=listener, Priority=i, Actions=forward, Conditions=[{"Field": "path-pattern", "Values": [f"/{i}/*"]}])

# A service behind it, and tasks.
image = ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["containerDefinitions"][0]["image"]
container = {"name": "app", "image": image, "cpu": 16, "memory": 16, "portMappings": [{"containerPort": 8080}]}
for family in ("waits", "waits", "waits-too"):
    ecs.register_task_definition(family=family, containerDefinitions=[container])
for cluster in ("one", "two"):
    ecs.create_cluster(clusterName=cluster)
ecs.create_service(
    serviceName="waits", taskDefinition="waits", desiredCount=3,
    loadBalancers=[{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}])
wait(ecs, "services_stable", services=["waits"])
task = ecs.run_task(taskDefinition="waits-too", count=1)["tasks"][0]["taskArn"]
wait(ecs, "tasks_running", tasks=[task])
ecs.stop_task(task=task)
wait(ecs, "tasks_stopped", tasks=[task])
wait(elb, "target_in_service", TargetGroupArn=group)

pages(ecs, "list_clusters", "clusterArns", 3)
pages(ecs, "list_container_instances", "containerInstanceArns", 1)
pages(ecs, "list_task_definitions", "taskDefinitionArns", 4)
pages(ecs, "list_task_definition_families", "families", 3)
pages(ecs, "list_tasks", "taskArns", 6)
pages(ecs, "list_services", "serviceArns", 2)
ecs.put_account_setting(name="containerInsights", value="enabled")
ecs.put_account_setting(name="taskLongArnFormat", value="enabled")
pages(ecs, "list_account_settings", "settings", 2)
instance = ecs.list_container_instances()["containerInstanceArns"][0]
ecs.put_attributes(attributes=[{"name": f"a{i}", "value": "x", "targetId": instance} for i in range(3)])
pages(ecs, "list_attributes", "attributes", 3, targetType="container-instance")
refused(ecs.list_services_by_namespace, "ListServicesByNamespace", namespace="n")

pages(elb, "describe_load_balancers", "LoadBalancers", 2)
pages(elb, "describe_target_groups", "TargetGroups", 2)
pages(elb, "describe_listeners", "Listeners", 1, LoadBalancerArn=lb["LoadBalancerArn"])
pages(elb, "describe_rules", "Rules", 5, ListenerArn=listener)
pages(elb, "describe_ssl_policies", "SslPolicies", 10, size=7)
pages(elb, "describe_account_limits", "Limits", 10, size=3)
pages(elb, "describe_listener_certificates", "Certificates", 0, ListenerArn=listener)

# Scaling.
target_of = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
for service in ("web", "waits"):
    scaling.register_scalable_target(ResourceId=f"service/default/{service}", MinCapacity=1, MaxCapacity=5, **target_of)
of = {"ResourceId": "service/default/waits", **target_of}
policies = []
for name in ("a", "b", "c"):
    policies.append(scaling.put_scaling_policy(
        PolicyName=name, PolicyType="StepScaling", **of, StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        })["PolicyARN"])
    scaling.put_scheduled_action(
        ScheduledActionName=name, Schedule="at(2099-01-01T00:00:00)", ScalableTargetAction={"MinCapacity": 1}, **of)
for least in (4, 5):  # two activities
    scaling.register_scalable_target(MinCapacity=least, **of)
    wait(ecs, "services_stable", services=["waits"])
    until = datetime.datetime.now() + datetime.timedelta(minutes=2)
    while ecs.describe_services(services=["waits"])["services"][0]["runningCount"] != least:
        assert datetime.datetime.now() < until, f"there are not {least} tasks"
pages(scaling, "describe_scalable_targets", "ScalableTargets", 2, ServiceNamespace="ecs")
pages(scaling, "describe_scaling_policies", "ScalingPolicies", 3, **of)
pages(scaling, "describe_scheduled_actions", "ScheduledActions", 3, **of)
pages(scaling, "describe_scaling_activities", "ScalingActivities", 2, **of)

# Metrics and alarms.
now = datetime.datetime.now(datetime.timezone.utc)
for metric in ("m1", "m2", "m3"):
    cloudwatch.put_metric_data(Namespace="Story", MetricData=[
        {"MetricName": metric, "Timestamp": now - datetime.timedelta(minutes=i), "Value": i, "Unit": "Count"} for i in range(5)])
    cloudwatch.put_metric_alarm(
        AlarmName=metric, Namespace="Story", MetricName=metric, Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=3, ComparisonOperator="GreaterThanThreshold", AlarmActions=[policies[0]])
cloudwatch.put_composite_alarm(AlarmName="all", AlarmRule="ALARM(m1) AND ALARM(m2)")
wait(cloudwatch, "alarm_exists", AlarmNames=["m1"])
wait(cloudwatch, "composite_alarm_exists", AlarmNames=["all"], AlarmTypes=["CompositeAlarm"])
cloudwatch.set_alarm_state(AlarmName="m2", StateValue="ALARM", StateReason="a story")


def paged(operation, result, least, **args):
    """As pages, of operations whose pages have a size that the request calls otherwise."""
    parts = list(cloudwatch.get_paginator(operation).paginate(**args))
    found = [x for p in parts for x in p[result]]
    assert len(found) >= least, (operation, found)
    print(f"paged: {operation}, {len(found)} in {len(parts)} pages")
    return found


pages(cloudwatch, "describe_alarms", "MetricAlarms", 3)
pages(cloudwatch, "describe_alarm_history", "AlarmHistoryItems", 4)
assert len(paged("list_metrics", "Metrics", 3, Namespace="Story")) == 3
queries = [{"Id": m, "MetricStat": {"Metric": {"Namespace": "Story", "MetricName": m}, "Period": 60, "Stat": "Sum"}}
           for m in ("m1", "m2", "m3")]
window = {"StartTime": now - datetime.timedelta(minutes=10), "EndTime": now + datetime.timedelta(minutes=1)}
whole = paged("get_metric_data", "MetricDataResults", 3, MetricDataQueries=queries, **window)
assert [sum(r["Values"]) for r in whole] == [10, 10, 10], whole
few = list(cloudwatch.get_paginator("get_metric_data").paginate(
    MetricDataQueries=queries, PaginationConfig={"PageSize": 4}, **window))
assert len(few) > 1, few
values = [v for p in few for r in p["MetricDataResults"] for v in r["Values"]]
assert sorted(values) == sorted(v for r in whole for v in r["Values"]), few
refused(cloudwatch.list_dashboards, "ListDashboards")

# And the ends. One target is of no service: the load balancer itself.
own, to_own = target_group("own")
rule = elb.create_rule(ListenerArn=listener, Priority=9, Actions=to_own, Conditions=[{"Field": "path-pattern", "Values": ["/own"]}])
target = {"Id": lb["DNSName"], "Port": port}
elb.register_targets(TargetGroupArn=own, Targets=[target])
wait(elb, "target_in_service", TargetGroupArn=own, Targets=[target])
elb.deregister_targets(TargetGroupArn=own, Targets=[target])
wait(elb, "target_deregistered", TargetGroupArn=own, Targets=[target])
elb.delete_rule(RuleArn=rule["Rules"][0]["RuleArn"])
elb.delete_target_group(TargetGroupArn=own)
ecs.delete_service(service="waits", force=True)
wait(ecs, "services_inactive", services=["waits"])
elb.delete_load_balancer(LoadBalancerArn=lb["LoadBalancerArn"])
wait(elb, "load_balancers_deleted", LoadBalancerArns=[lb["LoadBalancerArn"]])
elb.delete_target_group(TargetGroupArn=group)
print("all is as it should be")
