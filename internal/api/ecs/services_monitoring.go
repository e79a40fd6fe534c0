package ecs

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// The resolutions of a service's utilization, in seconds ("MetricConfiguration"), and how many entries each list of a
// monitoring configuration may have.
const (
	fineSeconds   = 20
	plainSeconds  = 60
	monitoringMax = 5
)

// checkMonitoring checks monitoring of a service ("MonitoringConfiguration"): a metric has one resolution.
func checkMonitoring(m *types.MonitoringConfiguration) error {
	if m == nil {
		return nil
	}
	const list = "monitoring.metricConfigurations"
	if err := atMost(list, m.MetricConfigurations, monitoringMax); err != nil {
		return err
	}
	known := map[string]bool{}
	for i := range m.MetricConfigurations {
		c := &m.MetricConfigurations[i]
		if err := checkMetrics(fmt.Sprintf("%s[%d].", list, i), c, known); err != nil {
			return err
		}
	}
	return nil
}

func checkMetrics(in string, c *types.MetricConfiguration, known map[string]bool) error {
	if len(c.MetricNames) == 0 {
		return model.InvalidParameter(in + "metricNames should not be empty.")
	}
	if err := atMost(in+"metricNames", c.MetricNames, monitoringMax); err != nil {
		return err
	}
	if s := aws.ToInt32(c.ResolutionSeconds); s != fineSeconds && s != plainSeconds {
		return model.InvalidParameter(fmt.Sprintf("%sresolutionSeconds should be %d or %d, got %d.", in, fineSeconds, plainSeconds, s))
	}
	for _, name := range c.MetricNames {
		if name != model.MetricCPU && name != model.MetricMemory {
			return notOneOf(in+"metricNames", name, []string{model.MetricCPU, model.MetricMemory})
		}
		if known[name] {
			return model.InvalidParameter(fmt.Sprintf("%smetricNames has %s, which was given before: a metric has one resolution.", in, name))
		}
		known[name] = true
	}
	return nil
}

// monitoringIn is what is kept of monitoring: as it was given, nil for no metric at all, which takes back what there was;
// and the metrics that it has kept by 20 s.
func monitoringIn(m *types.MonitoringConfiguration) (given *types.MonitoringConfiguration, fine []string) {
	if len(m.MetricConfigurations) == 0 {
		return nil, nil
	}
	for i := range m.MetricConfigurations {
		if aws.ToInt32(m.MetricConfigurations[i].ResolutionSeconds) == fineSeconds {
			fine = append(fine, m.MetricConfigurations[i].MetricNames...)
		}
	}
	slices.Sort(fine)
	return m, fine
}
