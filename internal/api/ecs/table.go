package ecs

import (
	"slices"

	"github.com/maitred/maitred/internal/api/wire"
)

// table lists every operation of the API, one line each, by group. The groups stand in the files of the same names.
func (a *API) table() []wire.Operation {
	return slices.Concat(
		a.clusterOps(),
		a.taskDefinitionOps(),
		a.tagOps(),
		a.settingOps(),
		a.serviceOps(),
		a.deploymentOps(),
		a.taskOps(),
		a.instanceOps(),
		capacityProviderOps(),
		taskSetOps(),
		daemonOps(),
		expressOps(),
		gatewayOps(),
		agentOps(),
	)
}

func (a *API) clusterOps() []wire.Operation {
	return []wire.Operation{
		op(a, "CreateCluster", a.createCluster),
		op(a, "DeleteCluster", a.deleteCluster),
		op(a, "DescribeClusters", a.describeClusters),
		op(a, "ListClusters", a.listClusters),
		op(a, "PutClusterCapacityProviders", a.putClusterCapacityProviders),
		op(a, "UpdateCluster", a.updateCluster),
		op(a, "UpdateClusterSettings", a.updateClusterSettings),
	}
}

func (a *API) taskDefinitionOps() []wire.Operation {
	return []wire.Operation{
		op(a, "DeleteTaskDefinitions", a.deleteTaskDefinitions),
		op(a, "DeregisterTaskDefinition", a.deregisterTaskDefinition),
		op(a, "DescribeTaskDefinition", a.describeTaskDefinition),
		op(a, "ListTaskDefinitionFamilies", a.listTaskDefinitionFamilies),
		op(a, "ListTaskDefinitions", a.listTaskDefinitions),
		op(a, "RegisterTaskDefinition", a.registerTaskDefinition),
	}
}

func (a *API) tagOps() []wire.Operation {
	return []wire.Operation{
		op(a, "ListTagsForResource", a.listTagsForResource),
		op(a, "TagResource", a.tagResource),
		op(a, "UntagResource", a.untagResource),
	}
}

func (a *API) settingOps() []wire.Operation {
	return []wire.Operation{
		op(a, "DeleteAccountSetting", a.deleteAccountSetting),
		op(a, "ListAccountSettings", a.listAccountSettings),
		op(a, "PutAccountSetting", a.putAccountSetting),
		op(a, "PutAccountSettingDefault", a.putAccountSettingDefault),
	}
}

func (a *API) serviceOps() []wire.Operation {
	return []wire.Operation{
		op(a, "CreateService", a.createService),
		op(a, "DeleteService", a.deleteService),
		op(a, "DescribeServices", a.describeServices),
		op(a, "ListServices", a.listServices),
		refuse("ListServicesByNamespace", "services are in no namespace; use ListServices"),
		op(a, "UpdateService", a.updateService),
	}
}

func (a *API) deploymentOps() []wire.Operation {
	return []wire.Operation{
		refuse("ContinueServiceDeployment", "deployments never pause, because lifecycle hooks are not supported"),
		op(a, "DescribeServiceDeployments", a.describeServiceDeployments),
		op(a, "DescribeServiceRevisions", a.describeServiceRevisions),
		op(a, "ListServiceDeployments", a.listServiceDeployments),
		op(a, "StopServiceDeployment", a.stopServiceDeployment),
	}
}

func (a *API) taskOps() []wire.Operation {
	return []wire.Operation{
		op(a, "DescribeTasks", a.describeTasks),
		op(a, "ExecuteCommand", a.executeCommand).Refusing(noSessions),
		op(a, "GetTaskProtection", a.getTaskProtection),
		op(a, "ListTasks", a.listTasks),
		op(a, "RunTask", a.runTask),
		op(a, "StartTask", a.startTask),
		op(a, "StopTask", a.stopTask),
		op(a, "UpdateTaskProtection", a.updateTaskProtection),
	}
}

func (a *API) instanceOps() []wire.Operation {
	return []wire.Operation{
		op(a, "DeleteAttributes", a.deleteAttributes),
		op(a, "DeregisterContainerInstance", a.deregisterContainerInstance),
		op(a, "DescribeContainerInstances", a.describeContainerInstances),
		op(a, "ListAttributes", a.listAttributes),
		op(a, "ListContainerInstances", a.listContainerInstances),
		op(a, "PutAttributes", a.putAttributes),
		op(a, "UpdateContainerInstancesState", a.updateContainerInstancesState),
	}
}

func capacityProviderOps() []wire.Operation {
	const instead = "machines join a cluster when an agent is started on them"
	return []wire.Operation{
		refuse("CreateCapacityProvider", instead),
		refuse("DeleteCapacityProvider", instead),
		refuse("DescribeCapacityProviders", instead),
		refuse("UpdateCapacityProvider", instead),
	}
}

func taskSetOps() []wire.Operation {
	const instead = "use the deployment controller ECS, and UpdateService to deploy"
	return []wire.Operation{
		refuse("CreateTaskSet", instead),
		refuse("DeleteTaskSet", instead),
		refuse("DescribeTaskSets", instead),
		refuse("UpdateServicePrimaryTaskSet", instead),
		refuse("UpdateTaskSet", instead),
	}
}

func daemonOps() []wire.Operation {
	const instead = "use a service with the scheduling strategy DAEMON"
	return []wire.Operation{
		refuse("CreateDaemon", instead),
		refuse("DeleteDaemon", instead),
		refuse("DeleteDaemonTaskDefinition", instead),
		refuse("DescribeDaemon", instead),
		refuse("DescribeDaemonDeployments", instead),
		refuse("DescribeDaemonRevisions", instead),
		refuse("DescribeDaemonTaskDefinition", instead),
		refuse("ListDaemonDeployments", instead),
		refuse("ListDaemonTaskDefinitions", instead),
		refuse("ListDaemons", instead),
		refuse("RegisterDaemonTaskDefinition", instead),
		refuse("UpdateDaemon", instead),
	}
}

func expressOps() []wire.Operation {
	const instead = "use RegisterTaskDefinition and CreateService"
	return []wire.Operation{
		refuse("CreateExpressGatewayService", instead),
		refuse("DeleteExpressGatewayService", instead),
		refuse("DescribeExpressGatewayService", instead),
		refuse("UpdateExpressGatewayService", instead),
	}
}

func gatewayOps() []wire.Operation {
	const instead = "give the service a load balancer of its own"
	return []wire.Operation{
		refuse("AssociateGatewayWithCluster", instead),
		refuse("CreateGateway", instead),
		refuse("DeleteGateway", instead),
		refuse("DescribeGateway", instead),
		refuse("DescribeGatewayResources", instead),
		refuse("DescribeGatewayRoute", instead),
		refuse("DisassociateGatewayFromCluster", instead),
		refuse("ListGatewayClusterAssociations", instead),
		refuse("ListGatewayRoutes", instead),
		refuse("ListGateways", instead),
		refuse("UpdateGateway", instead),
	}
}

// agentOps are those that the Amazon ECS agent calls.
func agentOps() []wire.Operation {
	const instead = "run maitred's own agent on the machine in place of the Amazon ECS agent"
	return []wire.Operation{
		refuse("DiscoverPollEndpoint", instead),
		refuse("RegisterContainerInstance", instead),
		refuse("SubmitAttachmentStateChanges", instead),
		refuse("SubmitContainerStateChange", instead),
		refuse("SubmitTaskStateChange", instead),
		refuse("UpdateContainerAgent", instead),
	}
}

// refuse is an operation that is not there; instead says what to do.
func refuse(name, instead string) wire.Operation {
	return wire.Unsupported(name, "UnsupportedFeatureException", instead)
}
