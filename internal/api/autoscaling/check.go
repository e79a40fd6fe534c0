package autoscaling

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/api/constraint"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
)

// validation is the code for a bad value.
const validation constraint.Code = "ValidationException"

// invalid refuses a bad value.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf(string(validation), format, args...)
}

// broken says in AWS's words that a member breaks a rule of the API's model.
func broken(member, value, rule string) *wire.Error {
	return validation.Broken(member, value, rule)
}

func quoted(value string) string { return constraint.Quoted(value) }

// null refuses a member that is missing.
func null(member string) *wire.Error { return validation.Null(member) }

// first gives the first of several errors.
func first(errs ...error) error { return cmp.Or(errs...) }

// checkEnum refuses a value that is given and no member of its enumeration.
func checkEnum[E constraint.Enumeration[E]](member string, value E) error {
	return constraint.Enum(validation, member, value)
}

// text checks a string that is given: it has a length and no character that its model excludes.
func text(member string, s *string, most int, excluded *regexp.Regexp) error {
	switch {
	case s == nil:
		return null(member)
	case *s == "":
		return broken(member, "''", "have length greater than or equal to 1")
	case len([]rune(*s)) > most:
		return broken(member, quoted(*s), fmt.Sprintf("have length less than or equal to %d", most))
	case excluded != nil && excluded.MatchString(*s):
		return broken(member, quoted(*s), "satisfy regular expression pattern; these are not allowed: "+excluded.String())
	}
	return nil
}

// least refuses a number that is given and too small.
func least(member string, n *int32, bound int32) error {
	if n == nil || *n >= bound {
		return nil
	}
	return broken(member, fmt.Sprintf("'%d'", *n), fmt.Sprintf("have value greater than or equal to %d", bound))
}

// The longest of what is named ("RegisterScalableTarget", "PutScalingPolicy", "PutScheduledAction").
const (
	resourceMax = 1600
	nameMax     = 256
)

var (
	// unprintable are control characters, and what is not a character at all.
	unprintable = regexp.MustCompile(`[\p{C}\x{FFFD}]`)
	// noPolicyName is what the name of a policy must not have ("PutScalingPolicy").
	noPolicyName = regexp.MustCompile(`[^\x20-\x7e]`)
	// noActionName is what a scheduled action must not be called ("PutScheduledAction").
	noActionName = regexp.MustCompile(`^ | $|[\x00-\x1f\x7f-\x{9f}:/|]`)
)

// resource is what all operations on one scalable target name.
type resource struct {
	namespace types.ServiceNamespace
	id        *string
	dimension types.ScalableDimension
}

// check checks the three members, all of them required.
func (r resource) check() error {
	if err := first(checkNamespace(r.namespace), text("resourceId", r.id, resourceMax, nil)); err != nil {
		return err
	}
	if r.dimension == "" {
		return null("scalableDimension")
	}
	return first(checkDimension(r.dimension), checkResource(*r.id))
}

// filter checks the three members where they choose some of many: a resource need not be named, and a dimension not given.
func (r resource) filter() error {
	if err := first(checkNamespace(r.namespace), checkDimension(r.dimension)); err != nil {
		return err
	}
	if r.id == nil {
		if r.dimension != "" {
			return invalid("ResourceId must be specified when ScalableDimension is specified")
		}
		return nil
	}
	return first(text("resourceId", r.id, resourceMax, nil), checkResource(*r.id))
}

const unsupported = "Unsupported service namespace, resource type or scalable dimension: "

func checkNamespace(n types.ServiceNamespace) error {
	if n == "" {
		return null("serviceNamespace")
	}
	if err := checkEnum("serviceNamespace", n); err != nil || n == types.ServiceNamespaceEcs {
		return err
	}
	return invalid(unsupported+"maitred scales services of ECS alone, so ServiceNamespace has to be ecs, got %s", n)
}

func checkDimension(d types.ScalableDimension) error {
	if d == "" || d == types.ScalableDimensionECSServiceDesiredCount {
		return nil
	}
	if err := checkEnum("scalableDimension", d); err != nil {
		return err
	}
	return invalid(unsupported+"maitred scales services of ECS alone, so ScalableDimension has to be %s, got %s", types.ScalableDimensionECSServiceDesiredCount, d)
}

func checkResource(id string) error {
	if _, ok := control.ScalableService(control.Call{}, id); !ok {
		return invalid(unsupported+"ResourceId has to be service/<cluster>/<service>, got '%.300s'", id)
	}
	return nil
}

// count is a number of the API as one of ours, nil for none.
func count(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

// number is one of our numbers as the API has it.
func number(n int) *int32 { return aws.Int32(int32(n)) }

// checkCapacities checks the bounds that a request gives.
func checkCapacities(least, most *int32) error {
	if least != nil && *least < 0 {
		return invalid("Minimum capacity cannot be less than 0, got %d", *least)
	}
	if most != nil && *most < 0 {
		return invalid("Maximum capacity cannot be less than 0, got %d", *most)
	}
	if least != nil && most != nil && *most < *least {
		return invalid("Maximum capacity cannot be less than minimum capacity")
	}
	return nil
}
