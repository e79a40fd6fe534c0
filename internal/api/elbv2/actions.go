package elbv2

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of actions ("Action", "ForwardActionConfig", "RedirectActionConfig", "FixedResponseActionConfig").
const (
	orderMax    = 50000
	weightMax   = 999
	stickyMax   = 7 * 24 * 60 * 60 // seconds
	redirectMax = 128              // characters
	bodyMax     = 1024
)

func badAction(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidLoadBalancerAction", format, args...)
}

// actionsIn reads the actions of a listener or rule: exactly one, as those that come before it are not served.
func actionsIn(in []elb.Action) ([]model.Action, error) {
	var actions []model.Action
	for i := range in {
		a, err := actionIn(&in[i])
		if err != nil {
			return nil, err
		}
		actions = append(actions, a)
	}
	switch {
	case len(actions) == 0:
		return nil, invalid("An action must be specified")
	case len(actions) > 1:
		return nil, badAction("Exactly one action of type 'forward', 'redirect' or 'fixed-response' must be specified, got %d", len(actions))
	}
	return actions, nil
}

func actionIn(in *elb.Action) (a model.Action, err error) {
	if err := first(required("actions.member.type", string(in.Type)), checkEnum("actions.member.type", in.Type),
		number("actions.member.order", in.Order, 1, orderMax)); err != nil {
		return a, err
	}
	a = model.Action{Type: string(in.Type), Order: int(aws.ToInt32(in.Order))}
	foreign := map[string]bool{
		model.ActionForward:  in.ForwardConfig != nil || in.TargetGroupArn != nil,
		model.ActionRedirect: in.RedirectConfig != nil,
		model.ActionFixed:    in.FixedResponseConfig != nil,
	}
	for _, kind := range []string{model.ActionForward, model.ActionRedirect, model.ActionFixed} {
		if foreign[kind] && kind != a.Type {
			return a, badAction("An action of type '%s' cannot have the configuration of an action of type '%s'", a.Type, kind)
		}
	}
	switch a.Type {
	case model.ActionForward:
		a.Forward, err = forwardIn(in)
	case model.ActionRedirect:
		a.Redirect, err = redirectIn(in.RedirectConfig)
	case model.ActionFixed:
		a.Fixed, err = fixedIn(in.FixedResponseConfig)
	default:
		err = badAction("Actions of type '%s' are not supported by this version of maitred: it authenticates nobody", a.Type)
	}
	return a, err
}

// forwardIn reads a forward action in either of its forms. Both may be given if they name the same single target group.
func forwardIn(in *elb.Action) (*model.Forward, error) {
	id, config := aws.ToString(in.TargetGroupArn), in.ForwardConfig
	if config == nil || len(config.TargetGroups) == 0 {
		if id == "" {
			return nil, invalid("A target group ARN must be specified")
		}
		config = &elb.ForwardActionConfig{TargetGroups: []elb.TargetGroupTuple{{TargetGroupArn: &id}}, TargetGroupStickinessConfig: stickinessOf(config)}
	}
	if id != "" && (len(config.TargetGroups) != 1 || aws.ToString(config.TargetGroups[0].TargetGroupArn) != id) {
		return nil, invalid("You cannot specify both a target group ARN and a forward configuration, unless they name the same single target group")
	}
	if n := len(config.TargetGroups); n > control.ActionGroupsMax {
		return nil, wire.Errorf("TooManyTargetGroups", "An action can forward to at most %d target groups, got %d", control.ActionGroupsMax, n)
	}
	f := &model.Forward{}
	for _, t := range config.TargetGroups {
		group := aws.ToString(t.TargetGroupArn)
		if err := first(required("actions.member.forwardConfig.targetGroups.member.targetGroupArn", group),
			number("actions.member.forwardConfig.targetGroups.member.weight", t.Weight, 0, weightMax)); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(f.Groups, func(g model.WeightedGroup) bool { return g.Group == group }) {
			return nil, invalid("The target group '%.300s' is specified more than once in an action", group)
		}
		weight := 1
		if t.Weight != nil {
			weight = int(*t.Weight)
		}
		f.Groups = append(f.Groups, model.WeightedGroup{Group: group, Weight: weight})
	}
	var err error
	f.Sticky, err = stickyIn(config.TargetGroupStickinessConfig)
	return f, err
}

func stickinessOf(config *elb.ForwardActionConfig) *elb.TargetGroupStickinessConfig {
	if config == nil {
		return nil
	}
	return config.TargetGroupStickinessConfig
}

func stickyIn(in *elb.TargetGroupStickinessConfig) (time.Duration, error) {
	if in == nil {
		return 0, nil
	}
	if err := number("actions.member.forwardConfig.targetGroupStickinessConfig.durationSeconds", in.DurationSeconds, 1, stickyMax); err != nil {
		return 0, err
	}
	switch enabled := aws.ToBool(in.Enabled); {
	case !enabled:
		return 0, nil
	case in.DurationSeconds == nil:
		return 0, invalid("A duration must be specified when target group stickiness is enabled")
	}
	return time.Duration(*in.DurationSeconds) * time.Second, nil
}

// redirectIn reads a redirect and fills in what it leaves as it is.
func redirectIn(in *elb.RedirectActionConfig) (*model.Redirect, error) {
	if in == nil {
		return nil, invalid("A redirect configuration must be specified for actions of type 'redirect'")
	}
	if err := first(required("actions.member.redirectConfig.statusCode", string(in.StatusCode)), checkEnum("actions.member.redirectConfig.statusCode", in.StatusCode)); err != nil {
		return nil, err
	}
	or := func(s *string, standard string) string {
		if s == nil {
			return standard
		}
		return *s
	}
	r := &model.Redirect{
		Protocol: or(in.Protocol, "#{protocol}"), Host: or(in.Host, "#{host}"), Port: or(in.Port, "#{port}"),
		Path: or(in.Path, "/#{path}"), Query: or(in.Query, "#{query}"), Status: 302,
	}
	if in.StatusCode == elb.RedirectActionStatusCodeEnumHttp301 {
		r.Status = 301
	}
	return r, checkRedirect(r)
}

func checkRedirect(r *model.Redirect) error {
	switch {
	case !slices.Contains([]string{"HTTP", "HTTPS", "#{protocol}"}, r.Protocol):
		return badAction("Redirect protocol '%.50s' must be one of 'HTTP, HTTPS, #{protocol}'", r.Protocol)
	case r.Port != "#{port}" && !isPort(r.Port):
		return badAction("Redirect port '%.50s' must be a number from 1 to %d, or #{port}", r.Port, portMax)
	case r.Host == "":
		return badAction("A redirect host cannot be empty")
	case !strings.HasPrefix(r.Path, "/"):
		return badAction("Redirect path '%.150s' must begin with '/'", r.Path)
	case strings.HasPrefix(r.Query, "?"):
		return badAction("Redirect query '%.150s' must not begin with '?'", r.Query)
	case r.Protocol == "#{protocol}" && r.Host == "#{host}" && r.Port == "#{port}" && r.Path == "/#{path}":
		return badAction("A redirect must change at least one of protocol, host, port and path, or it would lead to itself")
	}
	for _, m := range []struct{ name, value, keywords string }{
		{"host", r.Host, "host"},
		{"path", r.Path, "host path port"},
		{"query", r.Query, "host path port protocol query"},
	} {
		if err := checkRedirectText(m.name, m.value, strings.Fields(m.keywords)); err != nil {
			return err
		}
	}
	return nil
}

// isPort says whether a text is the number of a port, written without signs and zeros before it.
func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= portMax && strconv.Itoa(n) == text
}

// checkRedirectText checks a member that may have placeholders.
func checkRedirectText(name, value string, keywords []string) error {
	if len(value) > redirectMax || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return badAction("Redirect %s '%.150s' must have at most %d printable ASCII characters without spaces", name, value, redirectMax)
	}
	rest := value
	for {
		_, after, found := strings.Cut(rest, "#{")
		if !found {
			break
		}
		keyword, tail, closed := strings.Cut(after, "}")
		if !closed || !slices.Contains(keywords, keyword) {
			return badAction("Redirect %s '%s' has a placeholder that it cannot have; it can have #{%s}", name, value, strings.Join(keywords, "}, #{"))
		}
		rest = tail
	}
	if name == "host" && strings.ContainsAny(strings.ReplaceAll(value, "#{host}", ""), "/:?#@") {
		return badAction("Redirect host '%s' must be a host name", value)
	}
	return nil
}

// contentTypes are those of fixed responses ("FixedResponseActionConfig").
func contentTypes() []string {
	return []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}
}

func fixedIn(in *elb.FixedResponseActionConfig) (*model.FixedResponse, error) {
	if in == nil {
		return nil, invalid("A fixed response configuration must be specified for actions of type 'fixed-response'")
	}
	code := aws.ToString(in.StatusCode)
	status, err := strconv.Atoi(code)
	r := &model.FixedResponse{Status: status, ContentType: aws.ToString(in.ContentType), Body: aws.ToString(in.MessageBody)}
	switch {
	case code == "":
		return nil, null("actions.member.fixedResponseConfig.statusCode")
	case err != nil || len(code) != 3 || !slices.Contains([]int{2, 4, 5}, status/100):
		return nil, badAction("Fixed response status code '%.20s' must be 2XX, 4XX or 5XX", code)
	case r.ContentType != "" && !slices.Contains(contentTypes(), r.ContentType):
		return nil, badAction("Fixed response content type '%.100s' must be one of '%s'", r.ContentType, strings.Join(contentTypes(), ", "))
	case len(r.Body) > bodyMax:
		return nil, badAction("The message body of a fixed response can have at most %d bytes, got %d", bodyMax, len(r.Body))
	}
	return r, nil
}

// actionsOut gives actions as they are described: a forward action in both of its forms, a redirect with all its members.
func actionsOut(actions []model.Action) []elb.Action {
	out := []elb.Action{}
	for i := range actions {
		a := &actions[i]
		x := elb.Action{Type: elb.ActionTypeEnum(a.Type)}
		if a.Order != 0 {
			x.Order = aws.Int32(int32(a.Order))
		}
		switch {
		case a.Forward != nil:
			x.ForwardConfig = forwardOut(a.Forward)
			if len(a.Forward.Groups) == 1 {
				x.TargetGroupArn = aws.String(a.Forward.Groups[0].Group)
			}
		case a.Redirect != nil:
			r := a.Redirect
			x.RedirectConfig = &elb.RedirectActionConfig{
				Protocol: aws.String(r.Protocol), Host: aws.String(r.Host), Port: aws.String(r.Port), Path: aws.String(r.Path),
				Query: aws.String(r.Query), StatusCode: elb.RedirectActionStatusCodeEnum("HTTP_" + strconv.Itoa(r.Status)),
			}
		case a.Fixed != nil:
			x.FixedResponseConfig = &elb.FixedResponseActionConfig{
				StatusCode: aws.String(strconv.Itoa(a.Fixed.Status)), ContentType: given(a.Fixed.ContentType), MessageBody: given(a.Fixed.Body),
			}
		}
		out = append(out, x)
	}
	return out
}

func forwardOut(f *model.Forward) *elb.ForwardActionConfig {
	out := &elb.ForwardActionConfig{TargetGroupStickinessConfig: &elb.TargetGroupStickinessConfig{Enabled: aws.Bool(f.Sticky > 0)}}
	if f.Sticky > 0 {
		out.TargetGroupStickinessConfig.DurationSeconds = aws.Int32(int32(f.Sticky / time.Second))
	}
	for _, g := range f.Groups {
		out.TargetGroups = append(out.TargetGroups, elb.TargetGroupTuple{TargetGroupArn: aws.String(g.Group), Weight: aws.Int32(int32(g.Weight))})
	}
	return out
}

// given is nil for a text that was not given.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
