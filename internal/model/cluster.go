package model

import "time"

// Status of a cluster or service.
type Status string

// The states of clusters and services ("DescribeClusters", "DescribeServices").
const (
	Active   Status = "ACTIVE"
	Draining Status = "DRAINING"
	Inactive Status = "INACTIVE"
)

// Cluster groups services, tasks and container instances.
type Cluster struct {
	ARN       string    `json:"arn"`
	Name      string    `json:"name"`
	Region    string    `json:"region"`
	Status    Status    `json:"status"`
	Settings  []Setting `json:"settings,omitempty"`
	Tags      []Tag     `json:"tags,omitempty"`
	CreatedAt time.Time `json:"created"`
	ClosedAt  time.Time `json:"closed,omitzero"` // when it became INACTIVE
	// Document keeps the members that are given back as they were given (configuration, service connect defaults), in
	// the form of the AWS API's JSON.
	Document []byte `json:"doc,omitempty"`
	Cause    Cause  `json:"cause"`
}

// Key implements Record.
func (c *Cluster) Key() Key { return Key{KindCluster, c.ARN} }

// ClusterKey is the key of a cluster.
func ClusterKey(arn string) Key { return Key{KindCluster, arn} }

// Setting is an account setting of a principal, or a setting of a cluster (then Region and Principal are empty).
type Setting struct {
	Region    string `json:"region,omitempty"`
	Principal string `json:"principal,omitempty"` // ARN; "default" for the account's default
	Name      string `json:"name"`
	Value     string `json:"value"`
}

// Key implements Record.
func (s *Setting) Key() Key { return Key{KindSetting, s.Region + "/" + s.Principal + "/" + s.Name} }

// Token remembers a request that must not be carried out twice ("Ensuring idempotency").
type Token struct {
	Region  string    `json:"region"`
	Action  string    `json:"action"` // the API operation and its scope, for example RunTask/CLUSTER-ARN
	Value   string    `json:"value"`
	Request string    `json:"request"` // a hash of the parameters: the same token with others is a conflict
	Results []string  `json:"results"` // ARNs that the first request made
	Expires time.Time `json:"expires"`
}

// Key implements Record.
func (t *Token) Key() Key { return TokenKey(t.Region, t.Action, t.Value) }

// TokenKey is the key of a token.
func TokenKey(region, action, value string) Key {
	return Key{KindToken, region + "/" + action + "/" + value}
}
