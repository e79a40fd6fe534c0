package elbv2

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of conditions ("RuleCondition").
const (
	conditionMax = 128 // characters of a value
	headerMax    = 40  // of the name of a header or method
)

// hostText, pathText, methodText and headerName are what conditions are made of ("RuleCondition"). Host names without a
// dot are taken too: those of a machine or of a local network have none. Of paths ELB takes fewer characters; any of a
// URL's are taken here.
var (
	hostText   = regexp.MustCompile(`^[A-Za-z0-9.*?-]+$`)
	pathText   = regexp.MustCompile(`^[A-Za-z0-9_.$/~"'@:+&*?!(),;=%\[\]-]+$`)
	methodText = regexp.MustCompile(`^[A-Z_-]+$`)
	headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

// conditionsIn reads the conditions of a rule.
func conditionsIn(in []elb.RuleCondition) ([]model.Condition, error) {
	if len(in) == 0 {
		return nil, invalid("A condition must be specified")
	}
	var all []model.Condition
	values, wildcards := 0, 0
	for i := range in {
		c, err := conditionIn(&in[i])
		if err != nil {
			return nil, err
		}
		single := c.Field != model.FieldHeader && c.Field != model.FieldQuery
		if single && slices.ContainsFunc(all, func(x model.Condition) bool { return x.Field == c.Field }) {
			return nil, invalid("A rule can have only one condition with the field '%s'", c.Field)
		}
		all = append(all, c)
		values += len(c.Values) + len(c.Regex) + len(c.Query)
		wildcards += countWildcards(&c)
	}
	switch {
	case values > control.ConditionValuesMax:
		return nil, invalid("A rule can have at most %d condition values, got %d", control.ConditionValuesMax, values)
	case wildcards > control.WildcardsMax:
		return nil, invalid("A rule can have at most %d wildcard characters, got %d", control.WildcardsMax, wildcards)
	}
	return all, nil
}

// countWildcards counts * and ?; in query strings a backslash makes the next character an ordinary one.
func countWildcards(c *model.Condition) (n int) {
	for _, v := range c.Values {
		if c.Field != model.FieldMethod && c.Field != model.FieldSourceIP {
			n += strings.Count(v, "*") + strings.Count(v, "?")
		}
	}
	for _, kv := range c.Query {
		plain := regexp.MustCompile(`\\.`).ReplaceAllString(kv.Key+"\x00"+kv.Value, "")
		n += strings.Count(plain, "*") + strings.Count(plain, "?")
	}
	return n
}

func conditionIn(in *elb.RuleCondition) (model.Condition, error) {
	c := model.Condition{Field: aws.ToString(in.Field)}
	err := foreignConfig(in, c.Field)
	if err != nil {
		return c, err
	}
	if c.Field == model.FieldQuery {
		err = queryIn(in, &c)
		return c, err
	}
	config, regex, err := configIn(in, &c)
	if err != nil {
		return c, err
	}
	if c.Values, err = oneForm(c.Field, in.Values, config); err != nil {
		return c, err
	}
	if c.Regex, err = oneForm(c.Field, in.RegexValues, regex); err != nil {
		return c, err
	}
	err = checkCondition(&c)
	return c, err
}

// configIn reads the configuration of all fields but query-string: values, regular expressions and, into c, the name of a
// header.
func configIn(in *elb.RuleCondition, c *model.Condition) (values, regex []string, err error) {
	switch c.Field {
	case model.FieldHost:
		if config := in.HostHeaderConfig; config != nil {
			values, regex = config.Values, config.RegexValues
		}
	case model.FieldPath:
		if config := in.PathPatternConfig; config != nil {
			values, regex = config.Values, config.RegexValues
		}
	case model.FieldHeader:
		config := in.HttpHeaderConfig
		if config == nil {
			return nil, nil, invalid("An HTTP header configuration must be specified for conditions with the field '%s'", c.Field)
		}
		c.Name, values, regex = aws.ToString(config.HttpHeaderName), config.Values, config.RegexValues
	case model.FieldMethod:
		if config := in.HttpRequestMethodConfig; config != nil {
			values = config.Values
		}
	case model.FieldSourceIP:
		if config := in.SourceIpConfig; config != nil {
			values = config.Values
			if config.IpAddressType != "" {
				return nil, nil, unsupported("SourceIpConfig.IpAddressType", "rules are those of Application Load Balancers, which compare addresses")
			}
		}
	case "":
		return nil, nil, invalid("A condition field must be specified")
	default:
		return nil, nil, invalid("Condition field '%.100s' must be one of '[%s]'", c.Field, strings.Join(conditionFields(), ", "))
	}
	return values, regex, nil
}

func conditionFields() []string {
	return []string{model.FieldPath, model.FieldHost, model.FieldHeader, model.FieldMethod, model.FieldQuery, model.FieldSourceIP}
}

// foreignConfig refuses the configuration of another field.
func foreignConfig(in *elb.RuleCondition, field string) error {
	for name, set := range map[string]bool{
		model.FieldHost: in.HostHeaderConfig != nil, model.FieldPath: in.PathPatternConfig != nil, model.FieldHeader: in.HttpHeaderConfig != nil,
		model.FieldMethod: in.HttpRequestMethodConfig != nil, model.FieldSourceIP: in.SourceIpConfig != nil, model.FieldQuery: in.QueryStringConfig != nil,
	} {
		if set && name != field && slices.Contains(conditionFields(), field) {
			return invalid("A condition with the field '%s' cannot have the configuration of the field '%s'", field, name)
		}
	}
	if len(in.Values) > 0 && field != model.FieldHost && field != model.FieldPath && slices.Contains(conditionFields(), field) {
		return invalid("Values can only be specified for conditions with the fields 'host-header' and 'path-pattern'; the field '%s' has a configuration of its own", field)
	}
	return nil
}

// oneForm gives values that may be given in two ways: in one of them, or the same in both.
func oneForm(field string, plain, config []string) ([]string, error) {
	switch {
	case len(plain) == 0:
		return config, nil
	case len(config) > 0 && !slices.Equal(plain, config):
		return nil, invalid("The values of a condition with the field '%s' must be specified in one place only", field)
	}
	return plain, nil
}

// checkCondition checks the values of all fields but query-string.
func checkCondition(c *model.Condition) error {
	switch {
	case len(c.Values) > 0 && len(c.Regex) > 0:
		return invalid("A condition with the field '%s' cannot have both values and regular expressions", c.Field)
	case len(c.Values)+len(c.Regex) == 0:
		return invalid("A condition value must be specified for the field '%s'", c.Field)
	case len(c.Regex) > 0 && (c.Field == model.FieldMethod || c.Field == model.FieldSourceIP):
		return invalid("Regular expressions are not supported for the field '%s'", c.Field)
	case c.Field == model.FieldHeader && (len(c.Name) > headerMax || !headerName.MatchString(c.Name)):
		return invalid("The HTTP header name '%.100s' is not valid: it has 1 to %d characters of a header's name", c.Name, headerMax)
	case strings.EqualFold(c.Name, "host"):
		return invalid("The HTTP header name 'Host' cannot be used; use a condition with the field 'host-header'")
	}
	for _, v := range c.Values {
		if err := checkValue(c.Field, v); err != nil {
			return err
		}
	}
	for _, r := range c.Regex {
		if err := checkRegex(r, conditionMax); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(field, v string) error {
	bad := func(rule string) error {
		return invalid("The value '%.150s' of a condition with the field '%s' is not valid: %s", v, field, rule)
	}
	switch {
	case v == "":
		return bad("it cannot be empty")
	case len(v) > conditionMax:
		return bad("it has at most 128 characters")
	case field == model.FieldHost && !hostText.MatchString(v):
		return bad("a host name has letters, digits, '-' and '.', and the wildcards * and ?")
	case field == model.FieldPath && !pathText.MatchString(v):
		return bad("a path pattern has the characters of a path, and the wildcards * and ?")
	case field == model.FieldMethod && (len(v) > headerMax || !methodText.MatchString(v)):
		return bad("a method has at most 40 upper-case letters, '-' and '_'")
	case field == model.FieldHeader && strings.ContainsFunc(v, unprintable):
		return bad("it has printable ASCII characters only")
	case field == model.FieldSourceIP:
		return checkSource(v, bad)
	}
	return nil
}

func unprintable(r rune) bool { return r < ' ' || r >= 0x7f }

func checkSource(v string, bad func(string) error) error {
	p, err := netip.ParsePrefix(v)
	switch {
	case err != nil:
		return bad("it is a block of addresses, as 192.0.2.0/24 or 2001:db8::/32")
	case p.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255}) && p.Bits() == 32:
		return bad("255.255.255.255/32 is nobody's address")
	}
	return nil
}

// checkRegex wants an expression that Go's regexp knows: matching takes time in proportion to what is matched, whatever the
// expression is, and there are no back references.
func checkRegex(text string, most int) error {
	if text == "" || len(text) > most {
		return invalid("The regular expression '%.150s' is not valid: it has 1 to %d characters", text, most)
	}
	if _, err := regexp.Compile(text); err != nil {
		return invalid("The regular expression '%.150s' is not valid: %v", text, err)
	}
	return nil
}

// queryIn reads a condition on the query string.
func queryIn(in *elb.RuleCondition, c *model.Condition) error {
	if in.QueryStringConfig == nil || len(in.QueryStringConfig.Values) == 0 {
		return invalid("A condition value must be specified for the field '%s'", c.Field)
	}
	if len(in.RegexValues) > 0 {
		return invalid("Regular expressions are not supported for the field '%s'", c.Field)
	}
	for _, v := range in.QueryStringConfig.Values {
		kv := model.KeyValue{Key: aws.ToString(v.Key), Value: aws.ToString(v.Value)}
		for _, text := range []string{kv.Key, kv.Value} {
			if len(text) > conditionMax || strings.ContainsFunc(text, unprintable) {
				return invalid("The value '%.150s' of a condition with the field '%s' is not valid: it has at most %d printable ASCII characters", text, c.Field, conditionMax)
			}
		}
		if kv.Value == "" {
			return invalid("A query string value must be specified")
		}
		c.Query = append(c.Query, kv)
	}
	return nil
}

// conditionsOut gives conditions as they are described. Those with a plain form have both: clients read either.
func conditionsOut(conditions []model.Condition) []elb.RuleCondition {
	out := []elb.RuleCondition{}
	for i := range conditions {
		c := &conditions[i]
		x := elb.RuleCondition{Field: aws.String(c.Field)}
		switch c.Field {
		case model.FieldHost:
			x.Values, x.RegexValues = c.Values, c.Regex
			x.HostHeaderConfig = &elb.HostHeaderConditionConfig{Values: c.Values, RegexValues: c.Regex}
		case model.FieldPath:
			x.Values, x.RegexValues = c.Values, c.Regex
			x.PathPatternConfig = &elb.PathPatternConditionConfig{Values: c.Values, RegexValues: c.Regex}
		case model.FieldHeader:
			x.HttpHeaderConfig = &elb.HttpHeaderConditionConfig{HttpHeaderName: aws.String(c.Name), Values: c.Values, RegexValues: c.Regex}
		case model.FieldMethod:
			x.HttpRequestMethodConfig = &elb.HttpRequestMethodConditionConfig{Values: c.Values}
		case model.FieldSourceIP:
			x.SourceIpConfig = &elb.SourceIpConditionConfig{Values: c.Values}
		case model.FieldQuery:
			x.QueryStringConfig = &elb.QueryStringConditionConfig{}
			for _, kv := range c.Query {
				x.QueryStringConfig.Values = append(x.QueryStringConfig.Values, elb.QueryStringKeyValuePair{Key: given(kv.Key), Value: aws.String(kv.Value)})
			}
		}
		out = append(out, x)
	}
	return out
}

// rewriteMax is the length of the two texts of a rewrite ("RewriteConfig").
const rewriteMax = 1024

// transformsIn reads the transforms of a rule: at most one of each type.
func transformsIn(in []elb.RuleTransform) ([]model.Transform, error) {
	var all []model.Transform
	for _, t := range in {
		if err := first(required("transforms.member.type", string(t.Type)), checkEnum("transforms.member.type", t.Type)); err != nil {
			return nil, err
		}
		var host, url, rewrites []elb.RewriteConfig
		if t.HostHeaderRewriteConfig != nil {
			host = t.HostHeaderRewriteConfig.Rewrites
		}
		if t.UrlRewriteConfig != nil {
			url = t.UrlRewriteConfig.Rewrites
		}
		rewrites = url
		if t.Type == elb.TransformTypeEnumHostHeaderRewrite {
			rewrites = host
		}
		if len(rewrites) != 1 || len(host)+len(url) != 1 {
			return nil, invalid("A transform of type '%s' must have exactly one rewrite of its own type", t.Type)
		}
		x := model.Transform{Type: string(t.Type), Regex: aws.ToString(rewrites[0].Regex), Replace: aws.ToString(rewrites[0].Replace)}
		if err := checkTransform(x, all); err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

func checkTransform(x model.Transform, before []model.Transform) error {
	if slices.ContainsFunc(before, func(old model.Transform) bool { return old.Type == x.Type }) {
		return invalid("A rule can have only one transform of type '%s'", x.Type)
	}
	if len(x.Replace) > rewriteMax || strings.ContainsFunc(x.Replace, unprintable) {
		return invalid("The replacement '%.150s' is not valid: it has at most %d printable ASCII characters", x.Replace, rewriteMax)
	}
	return checkRegex(x.Regex, rewriteMax)
}

func transformsOut(transforms []model.Transform) []elb.RuleTransform {
	out := []elb.RuleTransform{}
	for _, t := range transforms {
		rewrites := []elb.RewriteConfig{{Regex: aws.String(t.Regex), Replace: aws.String(t.Replace)}}
		x := elb.RuleTransform{Type: elb.TransformTypeEnum(t.Type)}
		if x.Type == elb.TransformTypeEnumHostHeaderRewrite {
			x.HostHeaderRewriteConfig = &elb.HostHeaderRewriteConfig{Rewrites: rewrites}
		} else {
			x.UrlRewriteConfig = &elb.UrlRewriteConfig{Rewrites: rewrites}
		}
		out = append(out, x)
	}
	return out
}
