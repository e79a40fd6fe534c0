package arn

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// scalingService is Application Auto Scaling in the ARNs of what is scaled.
const scalingService = "application-autoscaling"

// ScalableTarget is arn:aws:application-autoscaling:R:A:scalable-target/ID.
func (s Scope) ScalableTarget(id string) string {
	return "arn:aws:" + scalingService + ":" + s.Region + ":" + s.Account + ":scalable-target/" + id
}

// IsScalableTarget says whether something has the form of the ARN of a scalable target.
func IsScalableTarget(s string) bool {
	a, ok := Parse(s)
	return ok && a.Partition == "aws" && a.Service == scalingService && a.Type == "scalable-target" && !strings.Contains(a.ID, "/")
}

// ScalingPolicy is the ARN of a scaling policy of an ECS service, which resource names as service/CLUSTER/SERVICE.
func (s Scope) ScalingPolicy(id, resource, name string) string {
	return s.scaling("scalingPolicy", id, resource, "policyName", name)
}

// ScheduledAction is the ARN of a scheduled action of an ECS service, which resource names as service/CLUSTER/SERVICE.
func (s Scope) ScheduledAction(id, resource, name string) string {
	return s.scaling("scheduledAction", id, resource, "scheduledActionName", name)
}

func (s Scope) scaling(kind, id, resource, naming, name string) string {
	return "arn:aws:autoscaling:" + s.Region + ":" + s.Account + ":" + kind + ":" + id + ":resource/ecs/" + resource + ":" + naming + "/" + name
}

// CreatedBy is what the alarms of a target tracking policy (given by ARN) do: it names their creator (a UUID) too.
func CreatedBy(policy, creator string) string { return policy + createdBy + creator }

const createdBy = ":createdBy/"

// PolicyOfAction gives the ARN of the scaling policy in an action of an alarm, with the creator that it names or "". ok is
// false for an action that is no scaling policy.
func PolicyOfAction(action string) (policy, creator string, ok bool) {
	if !strings.HasPrefix(action, "arn:aws:autoscaling:") || !strings.Contains(action, ":scalingPolicy:") {
		return "", "", false
	}
	// A policy's name may have anything in it; a creator is a UUID at the very end.
	if i := strings.LastIndex(action, createdBy); i >= 0 && isUUID(action[i+len(createdBy):]) {
		return action[:i], action[i+len(createdBy):], true
	}
	return action, "", true
}

func isUUID(s string) bool {
	const length, hyphens = 36, 4
	return len(s) == length && strings.Count(s, "-") == hyphens && isHex(strings.ReplaceAll(s, "-", ""))
}

// ScalingRole is the ARN of the service-linked role that services are scaled with.
func (s Scope) ScalingRole() string {
	return "arn:aws:iam::" + s.Account + ":role/aws-service-role/ecs." + scalingService + ".amazonaws.com/" +
		"AWSServiceRoleForApplicationAutoScaling_ECSService"
}

// scalableID is the length of the ids of scalable targets, in bytes; they are twice as long in digits.
const scalableID = 18

// ScalableTarget is the id of a scalable target: 36 lower-case letters and digits.
func (ids IDs) ScalableTarget() string {
	b := ids()
	sum := sha256.Sum256(b[:])
	return hex.EncodeToString(sum[:scalableID])
}
