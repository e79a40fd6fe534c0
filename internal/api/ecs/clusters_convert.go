package ecs

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// clusterDocument is what the store keeps of a cluster as it was given.
type clusterDocument struct {
	CapacityProviders      []string
	Configuration          *types.ClusterConfiguration
	ServiceConnectDefaults *types.ClusterServiceConnectDefaults
}

// change takes over what a request gives.
func (d *clusterDocument) change(config *types.ClusterConfiguration, connect *types.ClusterServiceConnectDefaultsRequest) error {
	if config != nil {
		if err := checkExec(config.ExecuteCommandConfiguration); err != nil {
			return err
		}
		d.Configuration = config
	}
	if connect != nil {
		d.ServiceConnectDefaults = nil // an empty namespace removes it
		if namespace := aws.ToString(connect.Namespace); namespace != "" {
			d.ServiceConnectDefaults = &types.ClusterServiceConnectDefaults{Namespace: &namespace}
		}
	}
	return nil
}

// checkExec checks configuration.executeCommandConfiguration ("ExecuteCommandConfiguration").
func checkExec(c *types.ExecuteCommandConfiguration) error {
	const member = "configuration.executeCommandConfiguration.logging"
	if c == nil {
		return nil
	}
	if err := checkEnum(member, c.Logging); err != nil {
		return err
	}
	if c.Logging == types.ExecuteCommandLoggingOverride && c.LogConfiguration == nil {
		return model.InvalidParameter(member + " is OVERRIDE, so logConfiguration should be given.")
	}
	if c.LogConfiguration != nil && c.Logging != types.ExecuteCommandLoggingOverride {
		return model.InvalidParameter(member + " should be OVERRIDE when logConfiguration is given.")
	}
	return nil
}

// editDocument changes the document of a cluster.
func (a *API) editDocument(c *model.Cluster, edit func(*clusterDocument) error) error {
	var doc clusterDocument
	if err := a.docs.decode(c.Document, &doc); err != nil {
		return err
	}
	if err := edit(&doc); err != nil {
		return err
	}
	var err error
	c.Document, err = a.docs.keep("cluster", &doc)
	return err
}

// checkProviders accepts the association of FARGATE and FARGATE_SPOT: it only allows services to name them, and changes
// nothing by itself. A default strategy would change where tasks run that name nothing, and other providers would have to
// start machines.
func checkProviders(providers []string, strategy []types.CapacityProviderStrategyItem) error {
	for _, p := range providers {
		if p != "FARGATE" && p != "FARGATE_SPOT" {
			return model.Unsupported(fmt.Sprintf("capacityProviders: %.100q is not supported by this version of maitred, only FARGATE and "+
				"FARGATE_SPOT are: machines join a cluster when an agent is started on them.", p))
		}
	}
	if len(strategy) > 0 {
		return model.Unsupported("defaultCapacityProviderStrategy is not supported by this version of maitred: " +
			"leave it empty, and name a launchType in CreateService and RunTask where it matters.")
	}
	return nil
}

// clusterSettingsIn checks and converts the settings of a cluster.
func clusterSettingsIn(settings []types.ClusterSetting) ([]model.Setting, error) {
	var list []model.Setting
	for _, s := range settings {
		if s.Name != types.ClusterSettingNameContainerInsights {
			return nil, notOneOf("settings.name", s.Name, s.Name.Values())
		}
		if len(list) > 0 {
			return nil, model.InvalidParameter("settings: " + control.ContainerInsights + " is given twice.")
		}
		insights, err := control.FindAccountSetting(control.ContainerInsights)
		if err != nil {
			return nil, err
		}
		value := aws.ToString(s.Value)
		if !slices.Contains(insights.Values, value) {
			return nil, notOneOf("settings.value", value, insights.Values)
		}
		list = append(list, model.Setting{Name: string(s.Name), Value: value})
	}
	return list, nil
}

// everything is the include of operations that change a cluster: they answer all but the statistics.
var everything = []types.ClusterField{
	types.ClusterFieldConfigurations, types.ClusterFieldSettings, types.ClusterFieldTags, types.ClusterFieldAttachments,
}

// clusterOut describes a cluster; lists that are not asked for are empty.
func (a *API) clusterOut(v *store.View, c *model.Cluster, include []types.ClusterField) (*types.Cluster, error) {
	var doc clusterDocument
	if err := a.docs.decode(c.Document, &doc); err != nil {
		return nil, err
	}
	n := control.CountCluster(v, c.ARN)
	out := &types.Cluster{
		ClusterArn:                        aws.String(c.ARN),
		ClusterName:                       aws.String(c.Name),
		Status:                            aws.String(string(c.Status)),
		RegisteredContainerInstancesCount: int32(n.Instances),
		RunningTasksCount:                 int32(control.Sum(n.Running)),
		PendingTasksCount:                 int32(control.Sum(n.Pending)),
		ActiveServicesCount:               int32(control.Sum(n.Active)),
		CapacityProviders:                 emptyNotNil(doc.CapacityProviders),
		DefaultCapacityProviderStrategy:   []types.CapacityProviderStrategyItem{},
		ServiceConnectDefaults:            doc.ServiceConnectDefaults,
		Settings:                          []types.ClusterSetting{},
		Statistics:                        []types.KeyValuePair{},
		Tags:                              []types.Tag{},
	}
	if includes(include, types.ClusterFieldConfigurations) {
		out.Configuration = doc.Configuration
	}
	if includes(include, types.ClusterFieldSettings) {
		out.Settings = clusterSettingsOut(c.Settings)
	}
	if includes(include, types.ClusterFieldStatistics) {
		out.Statistics = statistics(n)
	}
	if includes(include, types.ClusterFieldTags) {
		out.Tags = tagsOut(c.Tags)
	}
	if includes(include, types.ClusterFieldAttachments) {
		out.Attachments = []types.Attachment{}
	}
	return out, nil
}

func clusterSettingsOut(settings []model.Setting) []types.ClusterSetting {
	list := make([]types.ClusterSetting, 0, len(settings))
	for _, s := range settings {
		list = append(list, types.ClusterSetting{Name: types.ClusterSettingName(s.Name), Value: aws.String(s.Value)})
	}
	return list
}

// statistics gives the counts by launch type under the names of ECS ("Cluster").
func statistics(n control.ClusterCounts) []types.KeyValuePair {
	list := []types.KeyValuePair{}
	for _, s := range []struct {
		before, after string
		counts        map[string]int
	}{
		{"running", "TasksCount", n.Running},
		{"pending", "TasksCount", n.Pending},
		{"active", "ServiceCount", n.Active},
		{"draining", "ServiceCount", n.Draining},
	} {
		for _, launch := range []struct{ name, key string }{{"EC2", "EC2"}, {"Fargate", "FARGATE"}, {"External", "EXTERNAL"}} {
			list = append(list, types.KeyValuePair{
				Name: aws.String(s.before + launch.name + s.after), Value: aws.String(strconv.Itoa(s.counts[launch.key])),
			})
		}
	}
	return list
}

// emptyNotNil makes a list that the API always gives.
func emptyNotNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
