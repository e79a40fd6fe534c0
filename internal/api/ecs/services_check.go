package ecs

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// unsupported refuses a member of a request that this version cannot honour; instead says what to do.
func unsupported(member, instead string) *model.Error {
	return model.Unsupported(member + " is not supported by this version of maitred: " + instead + ".")
}

// checkNewService checks the members that CreateService alone has, and those that it requires ("CreateService").
func checkNewService(in *ecs.CreateServiceInput) error {
	switch name := aws.ToString(in.ServiceName); {
	case name == "":
		return model.InvalidParameter("serviceName should not be empty.")
	case !validName(name):
		return model.InvalidParameter(fmt.Sprintf("serviceName: %.300q is not a name: %s.", name, nameRule))
	}
	if err := firstError(
		checkServiceToken(in.ClientToken),
		checkEnum("schedulingStrategy", in.SchedulingStrategy),
		checkEnum("launchType", in.LaunchType),
	); err != nil {
		return err
	}
	if in.LaunchType == types.LaunchTypeManagedInstances {
		return unsupported("launchType MANAGED_INSTANCES", "machines join a cluster when an agent is started on them; use EC2")
	}
	if in.LaunchType != "" && len(in.CapacityProviderStrategy) > 0 {
		return model.InvalidParameter("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	if aws.ToString(in.TaskDefinition) == "" {
		return model.InvalidParameter("taskDefinition should not be empty.")
	}
	if aws.ToString(in.Role) != "" {
		return unsupported("role", "leave it out: nothing has to be allowed to register targets")
	}
	if in.DesiredCount == nil && in.SchedulingStrategy != types.SchedulingStrategyDaemon {
		return model.InvalidParameter("desiredCount should be given for the scheduling strategy REPLICA.")
	}
	return nil
}

const serviceTokenMax = 36

// checkServiceToken checks clientToken of CreateService.
func checkServiceToken(token *string) error {
	t := aws.ToString(token)
	if len(t) <= serviceTokenMax && !strings.ContainsFunc(t, func(r rune) bool { return r < 33 || r > 126 }) {
		return nil
	}
	return model.InvalidParameter(fmt.Sprintf("clientToken: %.100q should be up to %d printable ASCII characters without spaces.", t, serviceTokenMax))
}

// checkService checks what can be told from a request alone; checkTogether does the rest.
func checkService(in *ecs.UpdateServiceInput) error {
	return firstError(
		checkEnum("propagateTags", in.PropagateTags),
		checkEnum("availabilityZoneRebalancing", in.AvailabilityZoneRebalancing),
		checkDeploymentController(in.DeploymentController),
		refuseMembers(in),
		checkNotNegative("desiredCount", in.DesiredCount),
		checkDesiredMax(in.DesiredCount),
		checkNotNegative("healthCheckGracePeriodSeconds", in.HealthCheckGracePeriodSeconds),
		checkDeployment(in.DeploymentConfiguration),
		checkServiceNetwork(in.NetworkConfiguration),
		checkServiceBalancers(in.LoadBalancers),
		checkServiceProviders(in.CapacityProviderStrategy),
		checkPlatformVersion(in.PlatformVersion),
		checkMonitoring(in.Monitoring),
	)
}

func checkNotNegative(member string, n *int32) error {
	if n != nil && *n < 0 {
		return model.InvalidParameter(fmt.Sprintf("%s should be 0 or more, got %d.", member, *n))
	}
	return nil
}

// desiredMax is how many tasks a service may have ("Amazon ECS service quotas", tasks per service).
const desiredMax = 5000

func checkDesiredMax(n *int32) error {
	if n != nil && *n > desiredMax {
		return model.InvalidParameter(fmt.Sprintf("desiredCount should be at most %d, the quota of tasks per service; got %d.", desiredMax, *n))
	}
	return nil
}

// checkDeploymentController accepts the rolling update alone ("DeploymentController").
func checkDeploymentController(c *types.DeploymentController) error {
	const member = "deploymentController.type"
	if c == nil || c.Type == types.DeploymentControllerTypeEcs {
		return nil
	}
	if c.Type == "" || !slices.Contains(c.Type.Values(), c.Type) {
		return notOneOf(member, c.Type, c.Type.Values())
	}
	return unsupported(fmt.Sprintf("%s %s", member, c.Type), "use ECS, the rolling update")
}

// refuseMembers refuses by name what would change how the service works, and cannot be honoured. What asks for nothing
// (an empty list, enabled: false) may be there: tools send it.
func refuseMembers(in *ecs.UpdateServiceInput) error {
	const balancer = "use loadBalancers with a target group"
	for _, m := range []struct {
		member  string
		given   bool
		instead string
	}{
		{"serviceRegistries", len(in.ServiceRegistries) > 0, "find the tasks by ListTasks and DescribeTasks"},
		{
			"serviceConnectConfiguration", in.ServiceConnectConfiguration != nil && in.ServiceConnectConfiguration.Enabled,
			"tasks reach each other by the host ports of their machines",
		},
		{"volumeConfigurations", len(in.VolumeConfigurations) > 0, "tasks get no volumes of their own"},
		{"vpcLatticeConfigurations", len(in.VpcLatticeConfigurations) > 0, balancer},
		{"gatewayConnectors", len(in.GatewayConnectors) > 0, balancer},
		{
			"availabilityZoneRebalancing ENABLED", in.AvailabilityZoneRebalancing == types.AvailabilityZoneRebalancingEnabled,
			"tasks are spread over the zones when they are started, and not moved later; use DISABLED, or leave it out",
		},
	} {
		if m.given {
			return unsupported(m.member, m.instead)
		}
	}
	return nil
}

// checkDeployment checks deploymentConfiguration; percentages are checked together with the service.
func checkDeployment(c *types.DeploymentConfiguration) error {
	const in = "deploymentConfiguration."
	if c == nil {
		return nil
	}
	if err := firstError(
		checkEnum(in+"strategy", c.Strategy),
		checkNotNegative(in+"bakeTimeInMinutes", c.BakeTimeInMinutes),
	); err != nil {
		return err
	}
	const rolling = "use ROLLING, with deploymentCircuitBreaker or alarms to go back if the new version fails"
	for _, m := range []struct {
		member  string
		given   bool
		instead string
	}{
		{"strategy " + string(c.Strategy), c.Strategy != "" && c.Strategy != types.DeploymentStrategyRolling, rolling},
		{"canaryConfiguration", c.CanaryConfiguration != nil, rolling},
		{"linearConfiguration", c.LinearConfiguration != nil, rolling},
		{"lifecycleHooks", len(c.LifecycleHooks) > 0, "follow the deployment by DescribeServiceDeployments"},
		{
			"earlySuccessCriteria.enable true", c.EarlySuccessCriteria != nil && c.EarlySuccessCriteria.Enable,
			"a deployment ends when all of its tasks are healthy",
		},
	} {
		if m.given {
			return unsupported(in+m.member, m.instead)
		}
	}
	return firstError(checkBreaker(c.DeploymentCircuitBreaker), checkAlarms(c.Alarms))
}

// checkServiceNetwork checks networkConfiguration ("AwsVpcConfiguration"). One that says nothing is none.
func checkServiceNetwork(n *types.NetworkConfiguration) error {
	const member = "networkConfiguration.awsvpcConfiguration."
	if n == nil || n.AwsvpcConfiguration == nil {
		return nil
	}
	c := n.AwsvpcConfiguration
	if len(c.Subnets) == 0 {
		return model.InvalidParameter("subnets can not be empty: " + member + "subnets.")
	}
	return firstError(
		atMost(member+"subnets", c.Subnets, subnetsMax),
		atMost(member+"securityGroups", c.SecurityGroups, securityGroupsMax),
		checkEnum(member+"assignPublicIp", c.AssignPublicIp),
	)
}

// The bounds of a capacity provider strategy ("CapacityProviderStrategyItem").
const (
	providersMax = 20
	weightMax    = 1000
	baseMax      = 100_000
)

// checkServiceProviders checks a capacity provider strategy by itself.
func checkServiceProviders(strategy []types.CapacityProviderStrategyItem) error {
	const member = "capacityProviderStrategy"
	if err := atMost(member, strategy, providersMax); err != nil {
		return err
	}
	bases, weights := 0, int32(0)
	for i, s := range strategy {
		at := fmt.Sprintf("%s[%d].", member, i)
		switch {
		case aws.ToString(s.CapacityProvider) == "":
			return model.InvalidParameter(at + "capacityProvider should not be empty.")
		case s.Weight < 0 || s.Weight > weightMax:
			return model.InvalidParameter(fmt.Sprintf("%sweight should be between 0 and %d, got %d.", at, weightMax, s.Weight))
		case s.Base < 0 || s.Base > baseMax:
			return model.InvalidParameter(fmt.Sprintf("%sbase should be between 0 and %d, got %d.", at, baseMax, s.Base))
		}
		if weights += s.Weight; s.Base > 0 {
			bases++
		}
	}
	switch {
	case bases > 1:
		return model.InvalidParameter(member + ": only one capacity provider can have a base.")
	case len(strategy) > 0 && weights == 0:
		return model.InvalidParameter("There are no capacity providers in the capacity provider strategy with a weight value greater than zero: " + member + ".")
	}
	return nil
}

// checkPlatformVersion knows the present version of Fargate's platform, of which machines are as good.
func checkPlatformVersion(version *string) error {
	switch aws.ToString(version) {
	case "", latest, platformVersion:
		return nil
	}
	return &model.Error{
		Code:    "PlatformUnknownException",
		Message: fmt.Sprintf("platformVersion: %.100q is not known; use %s or %s.", *version, latest, platformVersion),
	}
}

// awsvpc is the network mode of tasks with an address of their own.
const awsvpc = string(types.NetworkModeAwsvpc)

// checkTogether checks a service as it would be, after all that a request changes.
func (a *API) checkTogether(v *store.View, svc *model.Service, doc *serviceDocument, def *model.TaskDefinition) error {
	if err := firstError(checkPercentages(svc), checkDaemon(svc), checkFargate(svc, doc), checkBake(doc)); err != nil {
		return err
	}
	if def != nil && def.NetworkMode == awsvpc && doc.NetworkConfiguration == nil {
		return model.InvalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	if def != nil && def.NetworkMode != awsvpc && doc.NetworkConfiguration != nil {
		return model.InvalidParameter("Network Configuration is not valid for the given networkMode of this task definition.")
	}
	if err := a.checkAssociated(v, svc.Cluster, doc.CapacityProviderStrategy); err != nil {
		return err
	}
	return a.checkCompatible(def, types.LaunchType(svc.LaunchType))
}

func checkPercentages(svc *model.Service) error {
	switch {
	case svc.MinHealthy < 0:
		return model.InvalidParameter("minimumHealthyPercent must be at least 0")
	case svc.MinHealthy > 100:
		return model.InvalidParameter("minimumHealthyPercent must be at most 100")
	case svc.MaxPercent < 100:
		return model.InvalidParameter("maximumPercent must be at least 100")
	case svc.Scheduling == model.Daemon && svc.MaxPercent > 100:
		return model.InvalidParameter("The daemon scheduling strategy does not support values above 100 for maximumPercent")
	case svc.MinHealthy == 100 && svc.MaxPercent == 100:
		return model.InvalidParameter("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments")
	}
	return nil
}

func checkDaemon(svc *model.Service) error {
	switch {
	case svc.Scheduling != model.Daemon:
	case len(svc.Strategy) > 0:
		return model.InvalidParameter("The daemon scheduling strategy does not support placement strategies: placementStrategy.")
	case svc.LaunchType == string(types.LaunchTypeFargate):
		return model.InvalidParameter("The daemon scheduling strategy does not support Fargate: launchType, capacityProviderStrategy.")
	}
	return nil
}

func checkFargate(svc *model.Service, doc *serviceDocument) error {
	fargate := svc.LaunchType == string(types.LaunchTypeFargate)
	switch {
	case !fargate && doc.PlatformVersion != nil:
		return model.InvalidParameter("The platform version must be null when specifying an " + svc.LaunchType + " launch type: platformVersion.")
	case fargate && len(svc.Constraints) > 0:
		return model.InvalidParameter("Placement constraints are not supported with FARGATE launch type: placementConstraints.")
	case fargate && len(svc.Strategy) > 0:
		return model.InvalidParameter("Placement strategies are not supported with FARGATE launch type: placementStrategy.")
	}
	return nil
}

// checkCommands refuses enableExecuteCommand without a task role, as ECS does, whose agent calls home with it: a definition
// that works here works there. What is asked for, and what could not be done to it, are words of the message.
func checkCommands(def *model.TaskDefinition, enabled bool, what, done string) error {
	if !enabled || def == nil || def.TaskRole != "" {
		return nil
	}
	return model.InvalidParameter(fmt.Sprintf("The %s couldn't be %s because a valid taskRoleArn is not being used. "+
		"Specify a valid task role in your task definition and try again.", what, done))
}

// checkAssociated refuses capacity providers that the cluster does not have.
func (a *API) checkAssociated(v *store.View, cluster string, strategy []types.CapacityProviderStrategyItem) error {
	c, ok := v.Cluster(cluster)
	if !ok || len(strategy) == 0 {
		return nil // that the cluster is missing is said elsewhere
	}
	var doc clusterDocument
	if err := a.docs.decode(c.Document, &doc); err != nil {
		return err
	}
	for i, s := range strategy {
		if name := aws.ToString(s.CapacityProvider); !slices.Contains(doc.CapacityProviders, name) {
			return model.InvalidParameter(fmt.Sprintf("The specified capacity provider strategy cannot contain a capacity provider that is not "+
				"associated with the cluster. Associate the capacity provider with the cluster and try again: capacityProviderStrategy[%d] is %.100q.", i, name))
		}
	}
	return nil
}

const expressionMax = 2000

// serviceConstraints checks and converts placementConstraints.
func serviceConstraints(in []types.PlacementConstraint) ([]model.Constraint, error) {
	for i, c := range in {
		if n := utf8.RuneCountInString(aws.ToString(c.Expression)); n > expressionMax {
			return nil, model.InvalidParameter(fmt.Sprintf("placementConstraints[%d].expression is %d characters long; at most %d are allowed.", i, n, expressionMax))
		}
	}
	return placementConstraintsIn(in)
}

// serviceStrategy checks and converts placementStrategy: a service that could never be placed is not made
// ("PlacementStrategy").
func serviceStrategy(in []types.PlacementStrategy) ([]model.Strategy, error) {
	list, err := placementStrategyIn(in)
	if err != nil {
		return nil, err
	}
	for i := range list {
		s := &list[i]
		field := strings.ToLower(s.Field)
		switch {
		case s.Type == model.StrategyBinpack && (field == "cpu" || field == "memory"):
			s.Field = field
		case s.Type == model.StrategyBinpack:
			return nil, strategyField(i, s, "cpu or memory")
		case s.Type == model.StrategySpread && field != "instanceid" && field != "host" && !isAttribute(field):
			return nil, strategyField(i, s, "instanceId, host or attribute:NAME")
		}
	}
	return list, nil
}

// isAttribute says whether a field of a spread names an attribute.
func isAttribute(field string) bool {
	name, ok := strings.CutPrefix(field, "attribute:")
	return ok && name != ""
}

func strategyField(i int, s *model.Strategy, want string) error {
	return model.InvalidParameter(fmt.Sprintf("placementStrategy[%d].field of %s should be %s, got %.100q.", i, s.Type, want, s.Field))
}
