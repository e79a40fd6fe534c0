package source

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// sqsQueue is a queue of anything that speaks SQS.
type sqsQueue struct {
	client *sqs.Client
	url    string
}

func openSQS(_ context.Context, s *spec) (Source, error) {
	key, secret := cmp.Or(s.target.User.Username(), "maitred"), cmp.Or(s.password(), "maitred")
	endpoint := *s.target
	endpoint.User, endpoint.Path = nil, ""
	queue := *s.target
	queue.User = nil
	return &sqsQueue{
		url: queue.String(),
		client: sqs.New(sqs.Options{
			BaseEndpoint: aws.String(endpoint.String()), Region: cmp.Or(s.values["region"], "us-east-1"), RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, Source: "maitred"}, nil
			}),
		}),
	}, nil
}

// Read implements Source.
func (q *sqsQueue) Read(ctx context.Context) (float64, error) {
	const name = types.QueueAttributeNameApproximateNumberOfMessages
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{name},
	})
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(out.Attributes[string(name)], 64)
	if err != nil {
		return 0, fmt.Errorf("the queue tells %s as %q", name, out.Attributes[string(name)])
	}
	return amount(n)
}

// Close implements Source.
func (q *sqsQueue) Close() error { return nil }
