package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	scaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// TestScaleToZero has a service that nobody asks for lose its tasks, and get one when somebody does. Fifty who ask at the
// same time are all answered, by requests to an Application Load Balancer, and by connections to a Network Load Balancer.
func TestScaleToZero(t *testing.T) {
	t.Parallel()
	for what, kind := range map[string]elbtypes.LoadBalancerTypeEnum{
		"request": elbtypes.LoadBalancerTypeEnumApplication, "connection": elbtypes.LoadBalancerTypeEnumNetwork,
	} {
		t.Run(what, func(t *testing.T) { t.Parallel(); scaleToZero(t, what, kind) })
	}
}

func scaleToZero(t *testing.T, what string, kind elbtypes.LoadBalancerTypeEnum) {
	p := up(t, stateDir(t))
	b := newBalanced(t, p.api, kind, 1, nil)
	auto := b.mayBeZero(p.api)
	slept := b.sleeps()
	t.Logf("nobody asked: no task after %v", slept.Round(time.Millisecond))
	answers := b.askAtOnce(1)
	t.Logf("one %s to no task is answered after %v", what, answers[0].Round(time.Millisecond))
	b.sleeps()
	answers = b.askAtOnce(50)
	t.Logf("of 50 %ss to no task the last one is answered after %v", what, answers[49].Round(time.Millisecond))
	b.sleeps()

	activities, err := auto.DescribeScalingActivities(t.Context(), &scaling.DescribeScalingActivitiesInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ResourceId: aws.String("service/default/" + worker),
	})
	b.must(err)
	woken, idle := 0, 0
	for _, a := range activities.ScalingActivities {
		if strings.HasPrefix(*a.Cause, "a "+what+" waits for target group tasks") {
			woken++
		}
		if strings.HasPrefix(*a.Cause, "no request and no flow in flight for ") {
			idle++
		}
	}
	if woken != 2 || idle != 3 {
		t.Errorf("%d activities tell of %ss and %d of none", woken, what, idle)
	}
}

// mayBeZero lets the service have no tasks when nobody has asked for it for ten seconds.
func (b *balanced) mayBeZero(api string) *scaling.Client {
	b.t.Helper()
	auto := scaling.New(scaling.Options{Region: "us-east-1", BaseEndpoint: aws.String(api), Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "maitred", SecretAccessKey: "maitred"}, nil
		})})
	_, err := auto.RegisterScalableTarget(b.t.Context(), &scaling.RegisterScalableTargetInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount,
		ResourceId: aws.String("service/default/" + worker), MinCapacity: aws.Int32(0), MaxCapacity: aws.Int32(3),
	})
	b.must(err)
	out, err := b.c.DescribeServices(b.t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}})
	b.must(err)
	_, err = b.c.TagResource(b.t.Context(), &ecs.TagResourceInput{
		ResourceArn: out.Services[0].ServiceArn, Tags: []types.Tag{{Key: aws.String("maitred:scale-to-zero"), Value: aws.String("10")}},
	})
	b.must(err)
	return auto
}

// sleeps waits until the service has no task and no target.
func (b *balanced) sleeps() time.Duration {
	b.t.Helper()
	began := time.Now()
	eventually(b.t, "the service has no tasks", func() bool {
		out, err := b.c.DescribeServices(b.t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}})
		b.must(err)
		s := out.Services[0]
		return s.DesiredCount == 0 && s.RunningCount == 0 && len(b.health()) == 0
	})
	return time.Since(began)
}

// askAtOnce sends requests at the same time, each on a connection of its own, and gives when they were answered, in the
// order of the answers. All must be.
func (b *balanced) askAtOnce(n int) (took []time.Duration) {
	b.t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var wrong []string
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			err := b.askOnce()
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
			if err != nil {
				wrong = append(wrong, err.Error())
			}
		})
	}
	all.Wait()
	if len(wrong) > 0 {
		b.t.Fatalf("of %d requests to a service without tasks %d were not answered: %s", n, len(wrong), wrong[0])
	}
	return took
}

func (b *balanced) askOnce() error {
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: patience}).Get("http://" + b.address + "/")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}
