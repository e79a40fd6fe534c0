package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// taskDefinition is a usual input: two containers with their environment.
func taskDefinition() *ecs.RegisterTaskDefinitionInput {
	in := &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("web"), Cpu: aws.String("512"), Memory: aws.String("1024"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		Tags:                    []types.Tag{{Key: aws.String("team"), Value: aws.String("shop")}},
	}
	for _, name := range []string{"web", "sidecar"} {
		c := types.ContainerDefinition{
			Name: aws.String(name), Image: aws.String("registry.example.com/shop/" + name + ":1.2.3"), Essential: aws.Bool(true),
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080), Protocol: types.TransportProtocolTcp}},
			LogConfiguration: &types.LogConfiguration{
				LogDriver: types.LogDriverAwslogs, Options: map[string]string{"awslogs-group": "g", "awslogs-region": "r"},
			},
			HealthCheck: &types.HealthCheck{Command: []string{"CMD-SHELL", "curl -f http://localhost/ || exit 1"}, Interval: aws.Int32(5)},
		}
		for i := range 20 {
			c.Environment = append(c.Environment, types.KeyValuePair{
				Name: aws.String(fmt.Sprintf("VARIABLE_%d", i)), Value: aws.String("the value of a variable"),
			})
		}
		in.ContainerDefinitions = append(in.ContainerDefinitions, c)
	}
	return in
}

// services is a usual answer of DescribeServices: ten services with their events.
func services() *ecs.DescribeServicesOutput {
	out := &ecs.DescribeServicesOutput{Failures: []types.Failure{}}
	now := time.UnixMilli(1760000000123)
	for i := range 10 {
		s := types.Service{
			ServiceName: aws.String(fmt.Sprintf("service-%d", i)), ServiceArn: aws.String(fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:service/default/service-%d", i)),
			Status: aws.String("ACTIVE"), DesiredCount: 3, RunningCount: 3, CreatedAt: &now, LaunchType: types.LaunchTypeFargate,
			DeploymentController: &types.DeploymentController{Type: types.DeploymentControllerTypeEcs},
			Deployments:          []types.Deployment{{Id: aws.String("ecs-svc/1"), Status: aws.String("PRIMARY"), DesiredCount: 3, CreatedAt: &now, UpdatedAt: &now}},
			LoadBalancers:        []types.LoadBalancer{{ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}},
		}
		for e := range 20 {
			s.Events = append(s.Events, types.ServiceEvent{
				Id: aws.String(fmt.Sprint(e)), CreatedAt: &now, Message: aws.String("(service service-1) has reached a steady state."),
			})
		}
		out.Services = append(out.Services, s)
	}
	return out
}

// BenchmarkDecode and BenchmarkEncode compare the codec with a floor: the same
// bytes to and from a map[string]any by encoding/json.
func BenchmarkDecode(b *testing.B) {
	c := newCodec()
	for _, v := range []any{taskDefinition(), services()} {
		text, err := c.AppendJSON(nil, codec.LowerFirst, v)
		if err != nil {
			b.Fatal(err)
		}
		t := reflect.TypeOf(v).Elem()
		b.Run(t.Name()+"/codec", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := c.DecodeJSON(text, codec.LowerFirst, reflect.New(t).Interface()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(t.Name()+"/map", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var tree map[string]any
				if err := json.Unmarshal(text, &tree); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	c := newCodec()
	for _, v := range []any{taskDefinition(), services()} {
		text, err := c.AppendJSON(nil, codec.LowerFirst, v)
		if err != nil {
			b.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			b.Fatal(err)
		}
		name := reflect.TypeOf(v).Elem().Name()
		b.Run(name+"/codec", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := c.AppendJSON(nil, codec.LowerFirst, v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/map", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := json.Marshal(tree); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
