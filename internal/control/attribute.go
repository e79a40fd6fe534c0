package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// AttributesMax is how many custom attributes a container instance may have, and how many one request may change
// ("PutAttributes").
const AttributesMax = 10

// Attribute is an attribute of a container instance.
type Attribute struct {
	Instance string // ARN
	Name     string
	Value    string // "" for none
}

// PutAttributes sets custom attributes of container instances.
func PutAttributes(tx *store.Tx, attributes []Attribute) error {
	return editAttributes(tx, attributes, func(i *model.Instance, a Attribute) error {
		i.Attributes[a.Name] = a.Value
		if len(i.Attributes) > AttributesMax {
			return &model.Error{
				Code:    "AttributeLimitExceededException",
				Message: fmt.Sprintf("A container instance can have %d custom attributes; %s would be one more.", AttributesMax, a.Name),
			}
		}
		return nil
	})
}

// DeleteAttributes removes custom attributes of container instances. What is not there need not be removed.
func DeleteAttributes(tx *store.Tx, attributes []Attribute) error {
	return editAttributes(tx, attributes, func(i *model.Instance, a Attribute) error {
		delete(i.Attributes, a.Name)
		return nil
	})
}

// editAttributes changes container instances attribute by attribute. Their cause stays: it is that of their status.
func editAttributes(tx *store.Tx, attributes []Attribute, edit func(*model.Instance, Attribute) error) error {
	edited := map[string]*model.Instance{}
	for _, a := range attributes {
		i := edited[a.Instance]
		if i == nil {
			old, ok := tx.View().Instance(a.Instance)
			if !ok || old.Status == model.Inactive {
				return &model.Error{Code: "TargetNotFoundException", Message: "The specified target wasn't found: " + a.Instance + "."}
			}
			i = withOwnAttributes(old)
			edited[a.Instance] = i
		}
		if err := edit(i, a); err != nil {
			return err
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(edited)) {
		tx.Put(edited[arn])
	}
	return nil
}

// withOwnAttributes copies a container instance so that its attributes can be changed.
func withOwnAttributes(old *model.Instance) *model.Instance {
	i := *old
	i.Attributes = maps.Clone(old.Attributes)
	if i.Attributes == nil {
		i.Attributes = map[string]string{}
	}
	return &i
}

// InstanceAttributes lists the attributes of a container instance by name: those that its machine says of itself, and the
// custom ones, which come first where both have one.
func InstanceAttributes(v *store.View, i *model.Instance) []Attribute {
	all := map[string]string{}
	if m, ok := v.Machine(i.Machine); ok {
		maps.Copy(all, m.Attributes)
	}
	maps.Copy(all, i.Attributes)
	list := make([]Attribute, 0, len(all))
	for name, value := range all {
		list = append(list, Attribute{Instance: i.ARN, Name: name, Value: value})
	}
	slices.SortFunc(list, func(a, b Attribute) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
