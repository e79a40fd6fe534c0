package metadata

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/arn"
)

// Credentials are temporary credentials of a role ("Amazon ECS task IAM role").
type Credentials struct {
	RoleArn         string
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
}

const (
	period     = 3 * time.Hour    // after which credentials that are made here change
	shortLived = 15 * time.Minute // of credentials that do not say until when they hold
	early      = time.Minute      // before their end, others are fetched
	runTimeout = 30 * time.Second
	maxOutput  = 64 << 10 // of a command or a file, bytes
)

// Mint makes credentials of maitred's own, which it accepts as it accepts any. They hold for three to six hours, and
// are the same for all that ask within three.
func (k *Key) Mint(role, task string, now time.Time) Credentials {
	began := now.UTC().Truncate(period)
	words := []string{role, task, strconv.FormatInt(began.Unix(), 10)}
	code := func(kind string) []byte { return k.code(append([]string{kind}, words...)...) }
	return Credentials{
		RoleArn:         role,
		AccessKeyID:     "ASIA" + base32.StdEncoding.EncodeToString(code("access"))[:16],
		SecretAccessKey: base64.StdEncoding.EncodeToString(code("secret"))[:40],
		Token:           base64.StdEncoding.EncodeToString(append(code("session"), code("session again")...)),
		Expiration:      began.Add(2 * period),
	}
}

// Roles are the roles whose credentials an operator gives, from files and commands.
type Roles struct {
	sources map[string]string // by the role's ARN
	mu      sync.Mutex
	kept    map[string]Credentials // those of commands, while they hold
}

// command begins the source of credentials that a command prints.
const command = "exec:"

// ParseRoles reads a list of ROLE_ARN=FILE and ROLE_ARN=exec:COMMAND.
func ParseRoles(list []string) (*Roles, error) {
	r := &Roles{sources: map[string]string{}, kept: map[string]Credentials{}}
	for _, entry := range list {
		role, source, _ := strings.Cut(entry, "=")
		a, ok := arn.Parse(role)
		if !ok || a.Service != "iam" || a.Type != "role" {
			return nil, fmt.Errorf("%q: it is ROLE_ARN=FILE or ROLE_ARN=exec:COMMAND, with an ARN as arn:aws:iam::123456789012:role/NAME", entry)
		}
		if source == "" || source == command {
			return nil, fmt.Errorf("%q: it names no file and no command", entry)
		}
		if _, twice := r.sources[role]; twice {
			return nil, fmt.Errorf("%q: the role was given before", entry)
		}
		r.sources[role] = source
	}
	return r, nil
}

// Find gives the credentials of a role. ok is false for one that the operator said nothing of. A file is read each time,
// a command is run when what it printed last is about to end; of several that ask at once, one runs it.
func (r *Roles) Find(ctx context.Context, role string, now time.Time) (c Credentials, ok bool, err error) {
	source, ok := r.sources[role]
	if !ok {
		return c, false, nil
	}
	line, isCommand := strings.CutPrefix(source, command)
	if !isCommand {
		text, err := os.ReadFile(source)
		if err != nil {
			return c, true, fmt.Errorf("the credentials of %s: %w", role, err)
		}
		c, err = parseCredentials(role, text, now)
		return c, true, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.kept[role]; ok && now.Add(early).Before(c.Expiration) {
		return c, true, nil
	}
	text, err := run(ctx, line)
	if err != nil {
		return c, true, fmt.Errorf("the credentials of %s: %w", role, err)
	}
	if c, err = parseCredentials(role, text, now); err == nil {
		r.kept[role] = c
	}
	return c, true, err
}

// run gives what a command of the operator prints. What it says of a failure is for the log alone.
func run(ctx context.Context, line string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the command failed: %w: %.500s", err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}

// parseCredentials reads JSON, as the endpoint answers it or as a credential_process prints it, or the default profile
// (else the only one) of a file in the form of ~/.aws/credentials. No error holds what was read.
func parseCredentials(role string, text []byte, now time.Time) (Credentials, error) {
	bad := func(what string) (Credentials, error) {
		return Credentials{}, fmt.Errorf("the credentials of %s: %s", role, what)
	}
	if len(text) > maxOutput {
		return bad("they are too long")
	}
	var in struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		SessionToken    string
		Expiration      time.Time
	}
	if trimmed := bytes.TrimSpace(text); bytes.HasPrefix(trimmed, []byte("{")) {
		if err := json.Unmarshal(trimmed, &in); err != nil {
			return bad("they are no JSON object with AccessKeyId, SecretAccessKey, Token and Expiration (as 2006-01-02T15:04:05Z)")
		}
	} else {
		profile, err := sharedProfile(string(text))
		if err != nil {
			return bad(err.Error())
		}
		in.AccessKeyID, in.SecretAccessKey = profile["aws_access_key_id"], profile["aws_secret_access_key"]
		in.Token = profile["aws_session_token"]
	}
	c := Credentials{role, in.AccessKeyID, in.SecretAccessKey, in.Token, in.Expiration.UTC()}
	if c.Token == "" {
		c.Token = in.SessionToken
	}
	if c.Expiration.IsZero() {
		c.Expiration = now.UTC().Add(shortLived).Truncate(time.Second)
	}
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return bad("the access key or the secret access key is missing")
	case !now.Before(c.Expiration):
		return bad("they ended at " + c.Expiration.Format(time.RFC3339))
	}
	return c, nil
}

func sharedProfile(text string) (map[string]string, error) {
	profiles := map[string]map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			name = strings.TrimSpace(line[1 : len(line)-1])
			profiles[name] = map[string]string{}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || profiles[name] == nil {
			return nil, errors.New("they are neither JSON nor a file of profiles as ~/.aws/credentials")
		}
		profiles[name][strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	if p, ok := profiles["default"]; ok {
		return p, nil
	}
	if names := slices.Collect(maps.Keys(profiles)); len(names) == 1 {
		return profiles[names[0]], nil
	}
	return nil, errors.New("there is no profile default")
}
