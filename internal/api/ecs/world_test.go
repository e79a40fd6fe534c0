package ecs_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
	prefix  = "arn:aws:ecs:" + region + ":" + account + ":"
)

// world is the API over a store in memory, with the real client before it. Its clock stands still unless it is moved.
type world struct {
	*client.Client
	t     *testing.T
	store *store.Store
	url   string

	clock *apitest.Clock
}

// start is when every world begins; the API shows times to the millisecond.
var start = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

func newWorld(t *testing.T) *world { return newWorldOver(t, mem.New(mem.Options{})) }

func newWorldOver(t *testing.T, backend *mem.Backend) *world {
	t.Helper()
	t.Cleanup(func() { _ = backend.Close() })
	w := &world{t: t, store: apitest.Open(t, backend), clock: apitest.NewClock(start)}
	timings, _ := model.TimingsByName("fast")
	w.url = apitest.Serve(t, wire.Config{}, ecs.New(ecs.Deps{
		Deps:    usecase.Deps{Store: w.store, Account: account, Now: w.clock.Now, IDs: apitest.IDs()},
		Timings: timings,
		Refuse:  func(*model.Machine, *model.TaskDefinition) string { return "" },
	}).Service())
	w.Client = w.in(region)
	return w
}

// in is a client for a region. It sends what it is told to, without checking it first, and once.
func (w *world) in(region string) *client.Client {
	return client.NewFromConfig(apitest.Config(w.url, region))
}

func (w *world) now() time.Time { return w.clock.Now() }

func (w *world) advance(d time.Duration) { w.clock.Advance(d) }

// put writes records into the store, as the scheduler and the agents would.
func (w *world) put(records ...model.Record) {
	w.t.Helper()
	apitest.Put(w.t, w.store, records...)
}

// registerFargate makes a revision of a family that Fargate can run, with one container, app.
func (w *world) registerFargate(family string) {
	w.t.Helper()
	must(w.RegisterTaskDefinition(w.t.Context(), &client.RegisterTaskDefinitionInput{
		Family: &family, NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, TaskRoleArn: aws.String("role"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: aws.String("img:1"), Memory: aws.Int32(100), Cpu: 10,
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(80)}},
		}},
	}))(w.t)
}

// subnet is the id of a default subnet.
func (w *world) subnet() string {
	w.t.Helper()
	for s := range w.store.View().Subnets(region) {
		return s.ID
	}
	w.t.Fatal("there is no subnet")
	return ""
}

// network is a networkConfiguration of a default subnet.
func (w *world) network() *types.NetworkConfiguration {
	w.t.Helper()
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{w.subnet()}}}
}

// must fails the test if an operation has failed, and gives its answer.
func must[O any](out O, err error) func(t *testing.T) O { return apitest.Must(out, err) }

// wantError checks the exception and that the message has the parts.
func wantError(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	apitest.WantError(t, err, code, parts...)
}

// send makes a request without a client, for what no client would send. It gives the status and the body.
func (w *world) send(operation, body string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260301/"+region+"/ecs/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, answer.Body); err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, text.String()
}

func machine(id string, clusters ...string) *model.Machine {
	return &model.Machine{ID: id, Host: "host-" + id, Connected: true, Clusters: clusters, JoinedAt: start}
}

// ignoreDocuments leaves out what every struct of the SDK carries and nobody compares.
var ignoreDocuments = cmp.FilterPath(func(p cmp.Path) bool {
	return p.Last().String() == ".noSmithyDocumentSerde"
}, cmp.Ignore())
