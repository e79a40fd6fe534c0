package ecs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// Limits of RunTask and StartTask ("RunTask", "Amazon ECS service quotas").
const (
	runCountMax        = 10
	startInstancesMax  = 10
	groupMax           = 255
	referenceMax       = 1024
	subnetsMax         = 16
	securityGroupsMax  = 5
	platformVersion    = "1.4.0" // what LATEST stands for
	platformFamily     = "Linux"
	serviceGroupPrefix = "service:"
)

var (
	clientTokenPattern = regexp.MustCompile(`^[\x21-\x7e]{1,64}$`)
	runStartedBy       = startedByRule{regexp.MustCompile(`^[A-Za-z0-9_/-]{1,128}$`), "1 to 128 letters, digits, hyphens, slashes and underscores"}
	startStartedBy     = startedByRule{regexp.MustCompile(`^[A-Za-z0-9_-]{1,36}$`), "1 to 36 letters, digits, hyphens and underscores"}
)

// startedByRule is what startedBy may be made of.
type startedByRule struct {
	pattern *regexp.Regexp
	text    string
}

// startAsRun gives what StartTask asks for in the form of RunTask, which has all of its members but the instances.
func startAsRun(in *ecs.StartTaskInput) *ecs.RunTaskInput {
	return &ecs.RunTaskInput{
		TaskDefinition: in.TaskDefinition, Cluster: in.Cluster, EnableECSManagedTags: in.EnableECSManagedTags,
		EnableExecuteCommand: in.EnableExecuteCommand, Group: in.Group, NetworkConfiguration: in.NetworkConfiguration,
		Overrides: in.Overrides, PropagateTags: in.PropagateTags, ReferenceId: in.ReferenceId, StartedBy: in.StartedBy,
		Tags: in.Tags, VolumeConfigurations: in.VolumeConfigurations, LaunchType: types.LaunchTypeEc2,
	}
}

// runRules are what a request can be judged by alone, in this order.
func runRules() []func(*ecs.RunTaskInput) error {
	return []func(*ecs.RunTaskInput) error{
		checkRunDefinition, checkRunCount, checkRunToken, checkLaunch, checkPlatform, checkGroup, checkReference, checkPropagation,
		checkRunNetwork, checkRunUnsupported,
	}
}

// runSpec checks and converts what RunTask asks for. The task definition is still to be found.
func (a *API) runSpec(call control.Call, in *ecs.RunTaskInput, startedBy startedByRule) (spec control.RunTask, err error) {
	if spec.Cluster, err = clusterARN(call, in.Cluster); err != nil {
		return spec, err
	}
	for _, rule := range runRules() {
		if err := rule(in); err != nil {
			return spec, err
		}
	}
	spec.StartedBy = aws.ToString(in.StartedBy)
	if spec.StartedBy != "" && !startedBy.pattern.MatchString(spec.StartedBy) {
		return spec, model.InvalidParameter(fmt.Sprintf("startedBy: %.200q is not allowed: it should be %s.", spec.StartedBy, startedBy.text))
	}
	spec.Count, spec.LaunchType = 1, string(runLaunchType(in))
	if in.Count != nil {
		spec.Count = int(*in.Count)
	}
	spec.Group, spec.Reference = aws.ToString(in.Group), aws.ToString(in.ReferenceId)
	spec.Network = networkIn(in.NetworkConfiguration)
	spec.PropagateTags, spec.ManagedTags = string(in.PropagateTags), in.EnableECSManagedTags
	spec.ExecuteCommand = in.EnableExecuteCommand
	if spec.Constraints, err = placementConstraintsIn(in.PlacementConstraints); err != nil {
		return spec, err
	}
	if spec.Strategy, err = placementStrategyIn(in.PlacementStrategy); err != nil {
		return spec, err
	}
	if spec.Tags, err = tagsIn(in.Tags); err != nil {
		return spec, err
	}
	if spec.Overrides, err = a.overridesIn(in.Overrides); err != nil {
		return spec, err
	}
	spec.Token = aws.ToString(in.ClientToken)
	spec.Request, err = a.fingerprint(spec.Cluster, in)
	return spec, err
}

// fingerprint tells requests apart by everything but the token.
func (a *API) fingerprint(cluster string, in *ecs.RunTaskInput) (string, error) {
	plain := *in
	plain.ClientToken, plain.Cluster = nil, &cluster
	data, err := a.docs.encode(&plain)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func checkRunDefinition(in *ecs.RunTaskInput) error {
	if aws.ToString(in.TaskDefinition) == "" {
		return model.InvalidParameter("taskDefinition should not be empty.")
	}
	return nil
}

func checkRunCount(in *ecs.RunTaskInput) error {
	if n := in.Count; n != nil && (*n < 1 || *n > runCountMax) {
		return model.InvalidParameter(fmt.Sprintf("count should be between 1 and %d, got %d.", runCountMax, *n))
	}
	return nil
}

func checkRunToken(in *ecs.RunTaskInput) error {
	if in.ClientToken != nil && !clientTokenPattern.MatchString(*in.ClientToken) {
		return model.InvalidParameter("clientToken should be 1 to 64 characters of ASCII, none of them a space.")
	}
	return nil
}

// runLaunchType is where tasks run that say nothing, or name a capacity provider: FARGATE and FARGATE_SPOT are the only
// ones.
func runLaunchType(in *ecs.RunTaskInput) types.LaunchType {
	switch {
	case len(in.CapacityProviderStrategy) > 0:
		return types.LaunchTypeFargate
	case in.LaunchType != "":
		return in.LaunchType
	}
	return types.LaunchTypeEc2
}

// checkLaunch accepts the launch types that stand for a machine somewhere: it is always one of the cluster's machines.
func checkLaunch(in *ecs.RunTaskInput) error {
	if err := checkEnum("launchType", in.LaunchType); err != nil {
		return err
	}
	fargate := runLaunchType(in) == types.LaunchTypeFargate
	switch {
	case len(in.CapacityProviderStrategy) > 0 && in.LaunchType != "":
		return model.InvalidParameter("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case in.LaunchType == types.LaunchTypeManagedInstances:
		return model.Unsupported("launchType MANAGED_INSTANCES is not supported by this version of maitred: use EC2, FARGATE or EXTERNAL.")
	case fargate && len(in.PlacementConstraints) > 0:
		return model.InvalidParameter("Placement constraints are not supported with FARGATE launch type: leave out placementConstraints.")
	case fargate && len(in.PlacementStrategy) > 0:
		return model.InvalidParameter("Placement strategies are not supported with FARGATE launch type: leave out placementStrategy.")
	}
	return checkServiceProviders(in.CapacityProviderStrategy)
}

// checkPlatform lets those name a platform version who ask for FARGATE: the present one, of which machines are as good.
func checkPlatform(in *ecs.RunTaskInput) error {
	switch version := aws.ToString(in.PlatformVersion); {
	case version == "":
		return nil
	case runLaunchType(in) != types.LaunchTypeFargate:
		return model.InvalidParameter("The platform version must be null when specifying an EC2 launch type: platformVersion is for FARGATE.")
	case version != "LATEST" && version != platformVersion:
		return &model.Error{
			Code:    "PlatformUnknownException",
			Message: fmt.Sprintf("platformVersion: %.100q is not known; use LATEST or %s.", version, platformVersion),
		}
	}
	return nil
}

func checkGroup(in *ecs.RunTaskInput) error {
	group := aws.ToString(in.Group)
	if strings.HasPrefix(group, serviceGroupPrefix) {
		return model.InvalidParameter(fmt.Sprintf("group: %.300q begins with %s, which is for the tasks of services.", group, serviceGroupPrefix))
	}
	if n := utf8.RuneCountInString(group); n > groupMax {
		return model.InvalidParameter(fmt.Sprintf("group has %d characters; at most %d are allowed.", n, groupMax))
	}
	return nil
}

func checkReference(in *ecs.RunTaskInput) error {
	if n := utf8.RuneCountInString(aws.ToString(in.ReferenceId)); n > referenceMax {
		return model.InvalidParameter(fmt.Sprintf("referenceId has %d characters; at most %d are allowed.", n, referenceMax))
	}
	return nil
}

func checkPropagation(in *ecs.RunTaskInput) error {
	if in.PropagateTags == types.PropagateTagsService {
		return model.InvalidParameter("propagateTags should be TASK_DEFINITION or NONE: the task belongs to no service that SERVICE could mean.")
	}
	return checkEnum("propagateTags", in.PropagateTags)
}

// checkRunNetwork checks the form of networkConfiguration. Whether it goes together with the task definition is seen when
// that is known; whether a machine can give a task a network of its own, its driver says when the task is placed.
func checkRunNetwork(in *ecs.RunTaskInput) error {
	const member = "networkConfiguration.awsvpcConfiguration"
	if in.NetworkConfiguration == nil {
		return nil
	}
	c := in.NetworkConfiguration.AwsvpcConfiguration
	switch {
	case c == nil:
		return model.InvalidParameter(member + " should be given.")
	case len(c.Subnets) == 0:
		return model.InvalidParameter(member + ".subnets can not be empty.")
	}
	if err := atMost(member+".subnets", c.Subnets, subnetsMax); err != nil {
		return err
	}
	if err := atMost(member+".securityGroups", c.SecurityGroups, securityGroupsMax); err != nil {
		return err
	}
	return checkEnum(member+".assignPublicIp", c.AssignPublicIp)
}

func checkRunUnsupported(in *ecs.RunTaskInput) error {
	if len(in.VolumeConfigurations) > 0 {
		return model.Unsupported("volumeConfigurations is not supported by this version of maitred: there are no volumes that are configured at launch.")
	}
	return nil
}
