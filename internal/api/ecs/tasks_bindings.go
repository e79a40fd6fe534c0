package ecs

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// bindingsOut describes the host ports of a container. A range of container ports is one binding, of two ranges
// ("NetworkBinding"); what is not whole or not in a row is told port by port.
func bindingsOut(bindings []model.PortBinding, ports []model.PortMapping) []types.NetworkBinding {
	var list []types.NetworkBinding
	for i := 0; i < len(bindings); {
		b := bindings[i]
		out := types.NetworkBinding{BindIP: aws.String(b.Address), Protocol: types.TransportProtocol(b.Protocol)}
		n := rangeAt(bindings[i:], ports)
		if n > 0 {
			out.ContainerPortRange = aws.String(fmt.Sprintf("%d-%d", b.ContainerPort, b.ContainerPort+n-1))
			out.HostPortRange = aws.String(fmt.Sprintf("%d-%d", b.HostPort, b.HostPort+n-1))
		} else {
			n, out.ContainerPort, out.HostPort = 1, aws.Int32(int32(b.ContainerPort)), aws.Int32(int32(b.HostPort))
		}
		list, i = append(list, out), i+n
	}
	return list
}

// rangeAt is the number of bindings, from the first on, that are one of the ranges of a definition; 0 if none begins here.
func rangeAt(bindings []model.PortBinding, ports []model.PortMapping) int {
	first := bindings[0]
	for _, p := range ports {
		n := p.Last - p.ContainerPort + 1
		if p.Last == 0 || p.ContainerPort != first.ContainerPort || p.Protocol != first.Protocol || n > len(bindings) {
			continue
		}
		whole := true
		for i, b := range bindings[:n] {
			want := model.PortBinding{
				Address: first.Address, ContainerPort: first.ContainerPort + i, HostPort: first.HostPort + i, Protocol: first.Protocol,
			}
			whole = whole && b == want
		}
		if whole {
			return n
		}
	}
	return 0
}
