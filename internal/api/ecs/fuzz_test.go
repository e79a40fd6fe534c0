package ecs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// answer gives what a fresh API without a network and without goroutines says to a request.
func answer(t *testing.T, operation, body string) (int, string) {
	t.Helper()
	st, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	api := ecs.New(ecs.Deps{
		Deps:   usecase.Deps{Store: st, Account: account, Now: func() time.Time { return start }, IDs: func() (id [16]byte) { return id }},
		Refuse: func(*model.Machine, *model.TaskDefinition) string { return "" },
	})
	handler, err := wire.NewHandler(wire.Config{Region: region}, api.Service())
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// FuzzRequests sends anything to the operations of clusters, task definitions, tags and settings: whatever it is, it is
// carried out or refused, and never an error of the server.
func FuzzRequests(f *testing.F) {
	operations := []string{
		"RegisterTaskDefinition", "CreateCluster", "UpdateCluster", "PutClusterCapacityProviders", "DescribeClusters",
		"DescribeTaskDefinition", "ListTaskDefinitions", "DeleteTaskDefinitions", "DeregisterTaskDefinition", "TagResource",
		"UntagResource", "ListTagsForResource", "PutAccountSetting", "ListAccountSettings", "ListClusters", "DeleteCluster",
	}
	for i, body := range []string{
		`{"family":"f","containerDefinitions":[{"name":"a","image":"i","memory":6,"healthCheck":{"command":["x"]},` +
			`"portMappings":[{"containerPortRange":"1-2"}],"dependsOn":[{"containerName":"a","condition":"START"}],"links":["a:b"]}]}`,
		`{"clusterName":"x","configuration":{"executeCommandConfiguration":{}},"settings":[{}],"tags":[{}]}`,
		`{"cluster":"default","serviceConnectDefaults":{}}`,
		`{"cluster":"default","capacityProviders":[],"defaultCapacityProviderStrategy":[]}`,
		`{"clusters":["default","arn:aws:ecs:eu-west-1:123456789012:cluster/x"],"include":["TAGS"]}`,
	} {
		f.Add(uint8(i), body)
	}
	f.Add(uint8(0), `{"family":"f","ipcMode":"host","volumes":[{"name":"v","host":{}},{"name":"w","dockerVolumeConfiguration":{}}],`+
		`"containerDefinitions":[{"name":"a","image":"i","memory":6,"mountPoints":[{"sourceVolume":"v","containerPath":"/"}],`+
		`"linuxParameters":{"capabilities":{"add":["ALL"]},"devices":[{"hostPath":"/d","permissions":["read"]}],`+
		`"tmpfs":[{"containerPath":"/t","size":1,"mountOptions":["mode=1"]}]},"systemControls":[{"namespace":"net.a","value":"1"}],`+
		`"environmentFiles":[{"type":"s3","value":"arn:aws:s3:::b/a.env"}],"extraHosts":[{"hostname":"h","ipAddress":"::1"}],`+
		`"dnsServers":["1.1.1.1"],"logConfiguration":{"logDriver":"splunk"},"resourceRequirements":[{"type":"GPU","value":"1"}]}]}`)
	f.Add(uint8(9), `{"resourceArn":"arn:aws:ecs:eu-west-1:123456789012:cluster/default","tags":[{"key":"k"}]}`)
	f.Fuzz(func(t *testing.T, n uint8, body string) {
		operation := operations[int(n)%len(operations)]
		if status, text := answer(t, operation, body); status != 200 && status != 400 && status != 413 {
			t.Errorf("%s %s: got %d %s", operation, body, status, text)
		}
	})
}
