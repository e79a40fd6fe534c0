package secrets

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	endpointTimeout = 20 * time.Second
	maxAnswer       = 2 << 20
)

// Endpoint speaks for AWS services, as LocalStack does: signed requests, answered in the services' own protocols.
type Endpoint struct {
	URL string
	// Credentials sign the requests; what an endpoint of one's own takes them for is its own business. Zero for those of
	// the environment (AWS_ACCESS_KEY_ID …), or made-up ones.
	Credentials aws.Credentials
	Client      *http.Client // nil for one of its own
}

// awsError is an error in the words of an AWS service.
type awsError struct{ code, message string }

func (e *awsError) Error() string { return e.code + ": " + e.message }

const resourceNotFound = "ResourceNotFoundException"

// secret asks for a secret of Secrets Manager ("GetSecretValue").
func (e *Endpoint) secret(ctx context.Context, r Reference) ([]byte, error) {
	in := map[string]string{"SecretId": r.ID}
	if r.Stage != "" {
		in["VersionStage"] = r.Stage
	}
	if r.Version != "" {
		in["VersionId"] = r.Version
	}
	var out struct {
		SecretString *string
		SecretBinary []byte
	}
	if err := e.call(ctx, r, "secretsmanager.GetSecretValue", in, &out); err != nil {
		return nil, err
	}
	if out.SecretString != nil {
		return []byte(*out.SecretString), nil
	}
	return out.SecretBinary, nil
}

// parameter asks for a parameter of Systems Manager ("GetParameters").
func (e *Endpoint) parameter(ctx context.Context, r Reference) ([]byte, error) {
	in := map[string]any{"Names": []string{r.ID}, "WithDecryption": true}
	var out struct{ Parameters []struct{ Value string } }
	if err := e.call(ctx, r, "AmazonSSM.GetParameters", in, &out); err != nil {
		return nil, err
	}
	if len(out.Parameters) == 0 {
		return nil, &awsError{"ParameterNotFound", "invalid parameters: " + r.ID}
	}
	return []byte(out.Parameters[0].Value), nil
}

// call makes a call in the protocol awsJson1.1.
func (e *Endpoint) call(ctx context.Context, r Reference, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := e.send(ctx, r.Service, r.Region, http.MethodPost, "/", body, map[string]string{
		"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1",
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the answer of %s is no JSON: %w", e.URL, err)
	}
	return nil
}

// object fetches an object of S3 ("GetObject"), with the bucket in the path.
func (e *Endpoint) object(ctx context.Context, o object, region string) ([]byte, error) {
	return e.send(ctx, "s3", region, http.MethodGet, path.Join("/", url.PathEscape(o.bucket))+"/"+escapeKey(o.key), nil, nil)
}

func escapeKey(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// send signs and sends a request and gives what is answered.
func (e *Endpoint) send(
	ctx context.Context, service, region, method, at string, body []byte, headers map[string]string,
) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, endpointTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(e.URL, "/")+at, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner().SignHTTP(ctx, e.credentials(), req, hash, service, region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign a request: %w", err)
	}
	answer, err := e.client().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer of %s: %w", e.URL, err)
	case answer.StatusCode != http.StatusOK:
		return nil, answered(answer, text)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("the answer of %s is longer than %d bytes", e.URL, maxAnswer)
	}
	return text, nil
}

func (e *Endpoint) client() *http.Client {
	if e.Client != nil {
		return e.Client
	}
	return http.DefaultClient
}

func (e *Endpoint) credentials() aws.Credentials {
	if e.Credentials.HasKeys() {
		return e.Credentials
	}
	return aws.Credentials{
		AccessKeyID:     cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "maitred"),
		SecretAccessKey: cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "maitred"),
		SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
	}
}

// answered reads an error: JSON of the JSON protocols, or XML of S3. What it says is told, for it names what was asked
// for and no value.
func answered(answer *http.Response, text []byte) error {
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Upper   string `json:"Message"` //nolint:tagliatelle // as some services spell it
	}
	if json.Unmarshal(text, &body) == nil && body.Type != "" {
		return &awsError{body.Type[strings.LastIndexByte(body.Type, '#')+1:], short(cmp.Or(body.Message, body.Upper))}
	}
	if code := between(string(text), "<Code>", "</Code>"); code != "" {
		return &awsError{code, short(between(string(text), "<Message>", "</Message>"))}
	}
	return fmt.Errorf("the endpoint answered %s", answer.Status)
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	inside, _, ok := strings.Cut(rest, to)
	if !ok {
		return ""
	}
	return inside
}

func short(text string) string { return text[:min(len(text), 300)] }
