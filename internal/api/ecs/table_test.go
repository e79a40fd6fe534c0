package ecs_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	client "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/model"
)

// TestEveryOperationIsKnown compares the table with the SDK's client.
func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	service := ecs.New(ecs.Deps{
		Deps:   usecase.Deps{Store: apitest.Store(t), Account: account, Now: func() time.Time { return start }, IDs: apitest.IDs()},
		Refuse: func(*model.Machine, *model.TaskDefinition) string { return "" },
	}).Service()
	apitest.WantTable(t, service, reflect.TypeFor[*client.Client](), "UnsupportedFeatureException")
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
