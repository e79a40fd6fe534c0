package autoscaling

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/control"
)

// ReadPolicies reads policies from a document as `aws application-autoscaling put-scaling-policy --cli-input-json` takes it,
// or from a list of such. Who reads it knows the service, so ServiceNamespace, ResourceId, ScalableDimension and PolicyType
// may be missing. The errors are those of PutScalingPolicy.
func ReadPolicies(document []byte) ([]control.PolicyUpdate, error) {
	parts := []json.RawMessage{document}
	if bytes.HasPrefix(bytes.TrimSpace(document), []byte("[")) {
		if err := json.Unmarshal(document, &parts); err != nil {
			return nil, invalid("the policies are not a list in JSON: %v", err)
		}
	}
	a := &API{codec: codec.New()}
	updates := make([]control.PolicyUpdate, 0, len(parts))
	for i, part := range parts {
		update, err := a.readPolicy(part)
		if err != nil {
			return nil, fmt.Errorf("policy %d: %w", i+1, err)
		}
		updates = append(updates, update)
	}
	return updates, nil
}

func (a *API) readPolicy(document []byte) (control.PolicyUpdate, error) {
	var in client.PutScalingPolicyInput
	if err := a.codec.DecodeJSON(document, codec.Identity, &in); err != nil {
		return control.PolicyUpdate{}, invalid("it is not the input of put-scaling-policy in JSON: %v", err)
	}
	if in.ServiceNamespace == "" {
		in.ServiceNamespace = types.ServiceNamespaceEcs
	}
	given := aws.ToString(in.ResourceId)
	if in.ResourceId == nil {
		in.ResourceId = aws.String("")
	}
	if err := first(
		text("policyName", in.PolicyName, nameMax, noPolicyName), checkNamespace(in.ServiceNamespace), checkDimension(in.ScalableDimension),
		checkPolicyType(&in),
	); err != nil {
		return control.PolicyUpdate{}, err
	}
	if given != "" {
		if err := checkResource(given); err != nil {
			return control.PolicyUpdate{}, err
		}
	}
	update, err := a.policyIn(&in)
	if err == nil && update.Tracking == nil && update.Step == nil {
		err = invalid("TargetTrackingScalingPolicyConfiguration or StepScalingPolicyConfiguration is missing")
	}
	return update, err
}
