package ecs

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/document"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/model"
)

// documents writes and reads what the store keeps in the AWS API's JSON. The unions are those that can be part of it.
type documents struct{ codec *codec.Codec }

func newDocuments() documents {
	return documents{codec.New(
		codec.Document(document.NewLazyDocument),
		codec.Union[types.ServiceConnectContainerConfiguration](&types.ServiceConnectContainerConfigurationMemberLogLevel{}),
		codec.Union[types.SharingStrategy](&types.SharingStrategyMemberNvidiaMps{}),
	)}
}

// encode gives the JSON of a struct of the SDK, or of a struct in the same style.
func (d documents) encode(v any) ([]byte, error) {
	data, err := d.codec.AppendJSON(nil, codec.LowerFirst, v)
	if err != nil {
		return nil, fmt.Errorf("encode a document of %T: %w", v, err)
	}
	return data, nil
}

// documentMax limits what is kept of a resource as it was given, in bytes: a transaction has to hold a few of them.
const documentMax = 64 << 10

// keep is encode for what a request gives of a resource; larger ones are refused.
func (d documents) keep(resource string, v any) ([]byte, error) {
	data, err := d.encode(v)
	if err == nil && len(data) > documentMax {
		err = model.InvalidParameter(fmt.Sprintf(
			"The %s has %d bytes of configuration as JSON; at most %d are allowed.", resource, len(data), documentMax))
	}
	return data, err
}

// decode reads what encode wrote into the struct that into points to. No document is an empty one.
func (d documents) decode(data []byte, into any) error {
	if err := d.codec.DecodeJSON(data, codec.LowerFirst, into); err != nil {
		return fmt.Errorf("decode a document of %T: %w", into, err)
	}
	return nil
}

// timestamp is a time as the API gives it, nil for the zero time.
func timestamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
