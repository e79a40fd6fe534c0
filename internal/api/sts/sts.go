// Package sts is as much of the AWS Security Token Service as clients need to find out whose account they talk to:
// GetCallerIdentity. There are no credentials to hand out here, so all other operations are refused.
package sts

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
)

// New describes the API of an account (12 digits) to the wire.
func New(account string) *wire.Service {
	const noCredentials = "every access key is taken for the account's root user, so there is no need for another one"
	return &wire.Service{
		Name:         "sts",
		SigningNames: []string{"sts"},
		QueryVersion: "2011-06-15",
		Namespace:    "https://sts.amazonaws.com/doc/2011-06-15/",
		Ops: []wire.Operation{
			wire.Op("GetCallerIdentity", identity{account}.get),
			refuse("AssumeRole", noCredentials),
			refuse("AssumeRoleWithSAML", noCredentials),
			refuse("AssumeRoleWithWebIdentity", noCredentials),
			refuse("AssumeRoot", noCredentials),
			refuse("DecodeAuthorizationMessage", "requests are not authorized, so there are no such messages"),
			refuse("GetAccessKeyInfo", "every access key belongs to the account that GetCallerIdentity tells"),
			refuse("GetDelegatedAccessToken", noCredentials),
			refuse("GetFederationToken", noCredentials),
			refuse("GetSessionToken", noCredentials),
			refuse("GetWebIdentityToken", noCredentials),
		},
	}
}

type identity struct{ account string }

// get answers that the caller is the root user of the account, whose user id is the account's ("GetCallerIdentity").
func (i identity) get(context.Context, *wire.Request, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{
		Account: aws.String(i.account),
		Arn:     aws.String(arn.Scope{Account: i.account}.Root()),
		UserId:  aws.String(i.account),
	}, nil
}

// refuse is an operation that is not there; instead says why. STS has no error of its own for that.
func refuse(name, instead string) wire.Operation {
	return wire.Unsupported(name, "UnsupportedOperation", instead)
}
