package ecs

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// targetGroupsMax is how many target groups a service may have ("CreateService").
const targetGroupsMax = 5

// checkServiceBalancers checks loadBalancers by itself ("LoadBalancer").
func checkServiceBalancers(lbs []types.LoadBalancer) error {
	if err := atMost("loadBalancers", lbs, targetGroupsMax); err != nil {
		return err
	}
	seen := map[model.ServiceBalancer]bool{}
	for i, lb := range lbs {
		at := fmt.Sprintf("loadBalancers[%d].", i)
		group, port := aws.ToString(lb.TargetGroupArn), aws.ToInt32(lb.ContainerPort)
		switch {
		case group != "" && aws.ToString(lb.LoadBalancerName) != "":
			return model.InvalidParameter("loadBalancerName and targetGroupArn cannot both be specified: " + at + "loadBalancerName.")
		case aws.ToString(lb.LoadBalancerName) != "":
			return unsupported(at+"loadBalancerName", "Classic Load Balancers are not served; use targetGroupArn")
		case lb.AdvancedConfiguration != nil:
			return unsupported(at+"advancedConfiguration", "it is for blue/green deployments; leave it out")
		case group == "":
			return model.InvalidParameter(at + "targetGroupArn should not be empty.")
		case aws.ToString(lb.ContainerName) == "":
			return model.InvalidParameter(at + "containerName should not be empty.")
		case lb.ContainerPort == nil || port < 1 || port > portMax:
			return model.InvalidParameter(fmt.Sprintf("%scontainerPort should be between 1 and %d, got %d.", at, portMax, port))
		}
		same := balancersIn(lbs[i : i+1])[0]
		if seen[same] {
			return model.InvalidParameter(at + "targetGroupArn: the same port of the same container is in this target group already.")
		}
		seen[same] = true
	}
	return nil
}

// balancersIn converts checked target groups.
func balancersIn(lbs []types.LoadBalancer) []model.ServiceBalancer {
	var out []model.ServiceBalancer
	for _, lb := range lbs {
		out = append(out, model.ServiceBalancer{
			Group: aws.ToString(lb.TargetGroupArn), Container: aws.ToString(lb.ContainerName), Port: int(aws.ToInt32(lb.ContainerPort)),
		})
	}
	return out
}

// balancersOut converts the other way round; none is an empty list.
func balancersOut(lbs []model.ServiceBalancer) []types.LoadBalancer {
	out := []types.LoadBalancer{}
	for _, lb := range lbs {
		out = append(out, types.LoadBalancer{
			TargetGroupArn: aws.String(lb.Group), ContainerName: aws.String(lb.Container), ContainerPort: aws.Int32(int32(lb.Port)),
		})
	}
	return out
}
