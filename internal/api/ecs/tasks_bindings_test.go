package ecs

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maitred/maitred/internal/model"
)

// A range of ports is one binding; without its whole range, each port is one.
func TestBindingsOfPortRanges(t *testing.T) {
	t.Parallel()
	bound := func(container, host int) model.PortBinding {
		return model.PortBinding{Address: "127.0.0.1", ContainerPort: container, HostPort: host, Protocol: "tcp"}
	}
	single := func(container, host int32) types.NetworkBinding {
		return types.NetworkBinding{
			BindIP: aws.String("127.0.0.1"), ContainerPort: aws.Int32(container), HostPort: aws.Int32(host), Protocol: "tcp",
		}
	}
	ports := []model.PortMapping{{ContainerPort: 80, Protocol: "tcp"}, {ContainerPort: 90, Last: 92, Protocol: "tcp"}}
	ranged := types.NetworkBinding{
		BindIP: aws.String("127.0.0.1"), ContainerPortRange: aws.String("90-92"), HostPortRange: aws.String("5000-5002"), Protocol: "tcp",
	}
	for name, c := range map[string]struct {
		bindings []model.PortBinding
		want     []types.NetworkBinding
	}{
		"whole":  {[]model.PortBinding{bound(80, 7), bound(90, 5000), bound(91, 5001), bound(92, 5002)}, []types.NetworkBinding{single(80, 7), ranged}},
		"short":  {[]model.PortBinding{bound(90, 5000), bound(91, 5001)}, []types.NetworkBinding{single(90, 5000), single(91, 5001)}},
		"broken": {[]model.PortBinding{bound(90, 1), bound(91, 3), bound(92, 4)}, []types.NetworkBinding{single(90, 1), single(91, 3), single(92, 4)}},
	} {
		got := bindingsOut(c.bindings, ports)
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(types.NetworkBinding{})); diff != "" {
			t.Errorf("%s: bindings differ (-want +got):\n%s", name, diff)
		}
	}
}
