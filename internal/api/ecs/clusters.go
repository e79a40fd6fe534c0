package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) createCluster(ctx context.Context, call control.Call, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	spec, err := a.newCluster(in)
	if err != nil {
		return nil, err
	}
	var made *model.Cluster
	err = a.Update(ctx, func(tx *store.Tx) error {
		made = control.CreateCluster(tx, call, spec)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.joinCluster(ctx, call, made.ARN); err != nil {
		return nil, err
	}
	out, err := a.clusterOut(a.Store.View(), made, everything)
	return &ecs.CreateClusterOutput{Cluster: out}, err
}

// newCluster checks and converts what CreateCluster asks for.
func (a *API) newCluster(in *ecs.CreateClusterInput) (control.NewCluster, error) {
	spec := control.NewCluster{Name: control.DefaultCluster}
	if in.ClusterName != nil {
		spec.Name = *in.ClusterName
	}
	if !validName(spec.Name) {
		return spec, model.InvalidParameter(fmt.Sprintf("clusterName: %.300q is not a name: %s.", spec.Name, nameRule))
	}
	if err := checkProviders(in.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
		return spec, err
	}
	settings, err := clusterSettingsIn(in.Settings)
	if err != nil {
		return spec, err
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return spec, err
	}
	doc := clusterDocument{CapacityProviders: in.CapacityProviders}
	if err := doc.change(in.Configuration, in.ServiceConnectDefaults); err != nil {
		return spec, err
	}
	spec.Settings, spec.Tags = settings, tags
	spec.Document, err = a.docs.keep("cluster", &doc)
	return spec, err
}

// joinCluster makes the connected machines container instances of a cluster that has just been made.
func (a *API) joinCluster(ctx context.Context, call control.Call, cluster string) error {
	return a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) {
		c, ok := tx.View().Cluster(cluster)
		return ok && control.JoinCluster(tx, call, c), nil
	})
}

const describedClustersMax = 100

func (a *API) describeClusters(
	_ context.Context, call control.Call, in *ecs.DescribeClustersInput,
) (*ecs.DescribeClustersOutput, error) {
	if err := checkEnums("include", in.Include); err != nil {
		return nil, err
	}
	if err := atMost("clusters", in.Clusters, describedClustersMax); err != nil {
		return nil, err
	}
	refs := in.Clusters
	if len(refs) == 0 {
		refs = []string{control.DefaultCluster}
	}
	if slices.Contains(refs, "") {
		return nil, model.InvalidParameter("Clusters can not be blank.")
	}
	out := &ecs.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
	view := a.Store.View()
	for _, ref := range refs {
		cluster, err := clusterARN(call, &ref)
		if err != nil {
			return nil, err
		}
		c, ok := view.Cluster(cluster)
		if !ok {
			out.Failures = append(out.Failures, missing(cluster))
			continue
		}
		described, err := a.clusterOut(view, c, in.Include)
		if err != nil {
			return nil, err
		}
		out.Clusters = append(out.Clusters, *described)
	}
	return out, nil
}

func (a *API) listClusters(_ context.Context, call control.Call, in *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
	p, err := newPager(call, pageLimits{100, 100}, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for c := range a.Store.View().Clusters() {
		if c.Status == model.Active && c.Region == call.Region {
			arns = append(arns, c.ARN)
		}
	}
	arns, next := page(p, arns, itself, strings.Compare)
	return &ecs.ListClustersOutput{ClusterArns: arns, NextToken: next}, nil
}

// changeCluster carries out an operation that changes a cluster, and describes it.
func (a *API) changeCluster(
	ctx context.Context, call control.Call, ref *string, edit func(*model.Cluster) error,
) (*types.Cluster, error) {
	if aws.ToString(ref) == "" {
		return nil, model.InvalidParameter("cluster should not be empty.")
	}
	cluster, err := clusterARN(call, ref)
	if err != nil {
		return nil, err
	}
	var changed *model.Cluster
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		changed, err = control.UpdateCluster(tx, call, cluster, edit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.clusterOut(a.Store.View(), changed, everything)
}

func (a *API) updateCluster(ctx context.Context, call control.Call, in *ecs.UpdateClusterInput) (*ecs.UpdateClusterOutput, error) {
	settings, err := clusterSettingsIn(in.Settings)
	if err != nil {
		return nil, err
	}
	out, err := a.changeCluster(ctx, call, in.Cluster, func(c *model.Cluster) error {
		if len(settings) > 0 {
			c.Settings = settings
		}
		return a.editDocument(c, func(doc *clusterDocument) error {
			return doc.change(in.Configuration, in.ServiceConnectDefaults)
		})
	})
	return &ecs.UpdateClusterOutput{Cluster: out}, err
}

func (a *API) updateClusterSettings(
	ctx context.Context, call control.Call, in *ecs.UpdateClusterSettingsInput,
) (*ecs.UpdateClusterSettingsOutput, error) {
	settings, err := clusterSettingsIn(in.Settings)
	if err != nil {
		return nil, err
	}
	if len(settings) == 0 {
		return nil, model.InvalidParameter("settings should not be empty.")
	}
	out, err := a.changeCluster(ctx, call, in.Cluster, func(c *model.Cluster) error {
		c.Settings = settings
		return nil
	})
	return &ecs.UpdateClusterSettingsOutput{Cluster: out}, err
}

func (a *API) putClusterCapacityProviders(
	ctx context.Context, call control.Call, in *ecs.PutClusterCapacityProvidersInput,
) (*ecs.PutClusterCapacityProvidersOutput, error) {
	for member, given := range map[string]bool{
		"capacityProviders":               in.CapacityProviders != nil,
		"defaultCapacityProviderStrategy": in.DefaultCapacityProviderStrategy != nil,
	} {
		if !given {
			return nil, model.InvalidParameter(member + " should be given; an empty list removes what is there.")
		}
	}
	if err := checkProviders(in.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
		return nil, err
	}
	out, err := a.changeCluster(ctx, call, in.Cluster, func(c *model.Cluster) error {
		return a.editDocument(c, func(doc *clusterDocument) error {
			doc.CapacityProviders = in.CapacityProviders
			return nil
		})
	})
	return &ecs.PutClusterCapacityProvidersOutput{Cluster: out}, err
}

func (a *API) deleteCluster(ctx context.Context, call control.Call, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	if aws.ToString(in.Cluster) == "" {
		return nil, model.InvalidParameter("cluster should not be empty.")
	}
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	var deleted *model.Cluster
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		deleted, err = control.DeleteCluster(tx, call, cluster)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.LeaveCluster(tx, cluster), nil }); err != nil {
		return nil, err
	}
	out, err := a.clusterOut(a.Store.View(), deleted, everything)
	return &ecs.DeleteClusterOutput{Cluster: out}, err
}
