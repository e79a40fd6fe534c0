package ecs_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestEveryOperationIsKnown compares the table with the SDK's client.
func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	backend := mem.New(mem.Options{})
	st, err := store.OpenSync(t.Context(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	service := ecs.New(ecs.Deps{
		Store: st, Account: account, Now: func() time.Time { return start }, IDs: func() (id [16]byte) { return id },
		Refuse: func(*model.Machine, *model.TaskDefinition) string { return "" },
	}).Service()
	var got, want []string
	for _, op := range service.Table() {
		got = append(got, op.Name)
		if op.Status == wire.StatusRefused && op.Error != "UnsupportedFeatureException" {
			t.Errorf("%s is refused by %s, want UnsupportedFeatureException", op.Name, op.Error)
		}
	}
	for _, op := range wire.ClientOperations(reflect.TypeFor[*client.Client]()) {
		want = append(want, op.Name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-client +table):\n%s", diff)
	}
}

func TestRefusedOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.CreateGateway(t.Context(), &client.CreateGatewayInput{})
	wantError(t, err, "UnsupportedFeatureException", "CreateGateway is not supported by this version of maitred: ")
	if !strings.HasSuffix(err.Error(), ".") {
		t.Errorf("got %q, want a whole sentence", err)
	}
}
