package control

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/place/query"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// revisionsMax is how many revisions a family may ever have ("Amazon ECS service quotas").
const revisionsMax = 1_000_000

// RegisterTaskDefinition makes the next revision of a family. What names it (ARN, region, revision, status, times, cause)
// is filled in; the rest is as given.
func RegisterTaskDefinition(tx *store.Tx, call Call, in model.TaskDefinition) (*model.TaskDefinition, error) {
	family := model.Family{Region: call.Region, Name: in.Family}
	if old, ok := tx.View().Family(call.Region, in.Family); ok {
		family.Last = old.Last
	}
	if family.Last >= revisionsMax {
		return nil, &model.Error{
			Code:    "LimitExceededException",
			Message: fmt.Sprintf("The family %s has had %d revisions, and that is the limit.", in.Family, revisionsMax),
		}
	}
	family.Last++
	d := in
	d.Region, d.Revision, d.Status, d.CreatedAt = call.Region, family.Last, model.Active, call.Now
	d.ARN = call.TaskDefinition(d.Name())
	d.Cause = call.Cause("task definition " + d.Name() + " is registered")
	tx.Put(&family)
	tx.Put(&d)
	return &d, nil
}

// CheckExpression says what is wrong with an expression of the cluster query language, nil if nothing is.
func CheckExpression(expression string) error {
	_, err := query.Parse(expression)
	return err
}

// FindTaskDefinition finds what FAMILY:REVISION, an ARN, or FAMILY names: of a family, the newest active revision
// ("DescribeTaskDefinition"). It is nil if there is none.
func FindTaskDefinition(v *store.View, scope arn.Scope, ref string) *model.TaskDefinition {
	name := ref
	if strings.HasPrefix(ref, "arn:") {
		a, ok := arn.Parse(ref)
		if !ok || a.Scope() != scope || a.Service != "ecs" || a.Type != "task-definition" {
			return nil
		}
		name = a.ID
	}
	family, revision, exact := strings.Cut(name, ":")
	if !exact {
		return newestActive(v, scope, family)
	}
	n, err := strconv.Atoi(revision)
	if err != nil || strconv.Itoa(n) != revision {
		return nil
	}
	d, _ := v.TaskDefinition(scope.TaskDefinition(name))
	return d
}

func newestActive(v *store.View, scope arn.Scope, family string) *model.TaskDefinition {
	f, ok := v.Family(scope.Region, family)
	if !ok {
		return nil
	}
	// Nearly always it is the newest of all.
	newest, ok := v.TaskDefinition(scope.TaskDefinition(family + ":" + strconv.Itoa(f.Last)))
	if ok && newest.Status == model.Active {
		return newest
	}
	newest = nil
	for d := range v.Revisions(scope.Region, family) {
		if d.Status == model.Active {
			newest = d
		}
	}
	return newest
}

// HasRevision says whether the name of a task definition, or its ARN, names a revision.
func HasRevision(ref string) bool {
	_, revision, ok := strings.Cut(arn.Name(ref), ":")
	return ok && revision != ""
}

// DeregisterTaskDefinition makes a revision (given by ARN or FAMILY:REVISION) INACTIVE. What runs it goes on; one that is
// not active any more is left as it is ("DeregisterTaskDefinition").
func DeregisterTaskDefinition(tx *store.Tx, call Call, ref string) (*model.TaskDefinition, error) {
	if !HasRevision(ref) {
		return nil, model.ClientFault("Revision is missing.")
	}
	old := FindTaskDefinition(tx.View(), call.Scope, ref)
	if old == nil {
		return nil, UnknownTaskDefinition()
	}
	if old.Status != model.Active {
		return old, nil
	}
	d := *old
	d.Status, d.ClosedAt = model.Inactive, call.Now
	d.Cause = call.Cause("task definition " + d.Name() + " is deregistered")
	tx.Put(&d)
	return &d, nil
}

// UnknownTaskDefinition refuses to describe or deregister what does not exist.
func UnknownTaskDefinition() error { return model.ClientFault("Unable to describe task definition.") }

// DeleteTaskDefinition marks an inactive revision for deletion, or says why it cannot ("DeleteTaskDefinitions"). The
// cause of the record is then that of the deletion, and its time that of the request.
func DeleteTaskDefinition(tx *store.Tx, call Call, ref string) (d *model.TaskDefinition, failure string) {
	old := FindTaskDefinition(tx.View(), call.Scope, ref)
	switch {
	case !HasRevision(ref):
		return nil, "The specified task definition identifier is invalid. Specify a valid name or ARN and try again."
	case old == nil:
		return nil, "The specified task definition does not exist. Specify a valid account, family, revision and try again."
	case old.Status == model.Active:
		return nil, "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
	case old.Status == model.DeleteInProgress:
		return old, ""
	}
	del := *old
	del.Status, del.Cause = model.DeleteInProgress, call.Cause("task definition "+old.Name()+" is deleted")
	tx.Put(&del)
	return &del, ""
}

// ForgetTaskDefinitions removes the deleted task definitions that nothing refers to any more. It does a part at a time:
// while more is true, it has to be called again in another transaction.
func ForgetTaskDefinitions(tx *store.Tx) (more bool) {
	var deleted []*model.TaskDefinition
	for r := range tx.View().Table(model.KindTaskDefinition) {
		if d := r.Record.(*model.TaskDefinition); d.Status == model.DeleteInProgress {
			deleted = append(deleted, d)
		}
	}
	if len(deleted) == 0 {
		return false
	}
	used := usedTaskDefinitions(tx.View())
	n := 0
	for _, d := range deleted {
		if used[d.ARN] {
			continue
		}
		if n == store.MaxOps {
			return true
		}
		tx.Delete(d.Key())
		n++
	}
	return false
}

// usedTaskDefinitions lists the task definitions of the tasks that can still be described, stopped ones too, and those
// that services may start tasks of. Nothing can begin to use a deleted one, so there is nothing to guard.
func usedTaskDefinitions(v *store.View) map[string]bool {
	used := map[string]bool{}
	for t := range v.Tasks() {
		used[t.TaskDefinition] = true
	}
	for s := range v.AllServices() {
		for d := range v.Deployments(s.ARN) {
			if s.Status != model.Inactive && d.Current {
				used[d.TaskDefinition] = true
			}
		}
	}
	return used
}
