package ecs

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// strategiesMax is how many placement strategies a request may give ("RunTask").
const strategiesMax = 5

// placementConstraintsIn checks and converts placementConstraints of RunTask ("PlacementConstraint").
func placementConstraintsIn(constraints []types.PlacementConstraint) ([]model.Constraint, error) {
	if err := atMost("placementConstraints", constraints, constraintsMax); err != nil {
		return nil, err
	}
	var list []model.Constraint
	for i, c := range constraints {
		member := fmt.Sprintf("placementConstraints[%d]", i)
		expression := aws.ToString(c.Expression)
		switch c.Type {
		case types.PlacementConstraintTypeDistinctInstance:
			if expression != "" {
				return nil, model.InvalidParameter(member + ".expression should not be given for distinctInstance.")
			}
		case types.PlacementConstraintTypeMemberOf:
			if err := control.CheckExpression(expression); err != nil {
				return nil, model.InvalidParameter(fmt.Sprintf("Invalid constraint expression in %s.expression: %s.", member, err))
			}
		default:
			return nil, notOneOf(member+".type", c.Type, c.Type.Values())
		}
		list = append(list, model.Constraint{Type: string(c.Type), Expression: expression})
	}
	return list, nil
}

// placementStrategyIn checks and converts placementStrategy of RunTask ("PlacementStrategy"). What a field may be is
// checked where tasks are placed.
func placementStrategyIn(strategy []types.PlacementStrategy) ([]model.Strategy, error) {
	if err := atMost("placementStrategy", strategy, strategiesMax); err != nil {
		return nil, err
	}
	var list []model.Strategy
	for i, s := range strategy {
		member := fmt.Sprintf("placementStrategy[%d]", i)
		if s.Type == "" {
			return nil, notOneOf(member+".type", s.Type, s.Type.Values())
		}
		if err := checkEnum(member+".type", s.Type); err != nil {
			return nil, err
		}
		field := aws.ToString(s.Field)
		if s.Type == types.PlacementStrategyTypeRandom && field != "" {
			return nil, model.InvalidParameter(member + ".field should not be given for random.")
		}
		list = append(list, model.Strategy{Type: string(s.Type), Field: field})
	}
	return list, nil
}
