package cloudwatch

import (
	"fmt"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// labelMax is the longest label, in characters: CloudWatch names no bound.
const labelMax = 2048

// queryReader reads the queries of GetMetricData, or of an alarm on metric math.
type queryReader struct {
	list string // the name of the parameter
}

// read checks all queries, and that they go together.
func (r queryReader) read(in []types.MetricDataQuery) ([]model.MetricQuery, error) {
	queries := make([]model.MetricQuery, 0, len(in))
	for i, q := range in {
		query, err := r.query(fmt.Sprintf("%s.member.%d.", r.list, i+1), q)
		if err != nil {
			return nil, err
		}
		queries = append(queries, query)
	}
	if _, err := expr.NewPlan(queries); err != nil {
		return nil, invalid("%s", err.Error())
	}
	return queries, nil
}

// computable checks that queries come to the one series that an alarm looks at.
func computable(queries []model.MetricQuery) error {
	plan, err := expr.NewPlan(queries)
	if err == nil {
		err = plan.Single()
	}
	if err != nil {
		return invalid("%s", err.Error())
	}
	return nil
}

func (r queryReader) query(member string, in types.MetricDataQuery) (q model.MetricQuery, err error) {
	c := complaint(invalid)
	q = model.MetricQuery{
		ID: aws.ToString(in.Id), Expression: aws.ToString(in.Expression), Label: aws.ToString(in.Label),
		Hidden: in.ReturnData != nil && !*in.ReturnData, Period: int(aws.ToInt32(in.Period)),
	}
	switch {
	case q.ID == "":
		return q, c.required(member + "Id")
	case in.AccountId != nil:
		return q, unsupported(member+"AccountId", "there is one account")
	case utf8.RuneCountInString(q.Label) > labelMax:
		return q, invalid("The parameter %sLabel must be shorter than %d characters.", member, labelMax+1)
	case in.MetricStat != nil && in.Expression != nil, in.MetricStat == nil && q.Expression == "":
		return q, invalid("The parameters %sMetricStat and %sExpression are mutually exclusive and you have to specify exactly one of them.", member, member)
	case in.MetricStat != nil && in.Period != nil:
		return q, invalid("The parameter %sPeriod must not be specified together with %sMetricStat, which has its own.", member, member)
	case in.Period != nil:
		return q, c.period(member+"Period", in.Period)
	case in.MetricStat != nil:
		err = r.metric(member+"MetricStat.", in.MetricStat, &q)
	}
	return q, err
}

func (queryReader) metric(member string, in *types.MetricStat, q *model.MetricQuery) (err error) {
	c := complaint(invalid)
	if in.Metric == nil {
		return c.required(member + "Metric")
	}
	if q.Metric, err = c.metricIn(member+"Metric.", in.Metric.Namespace, in.Metric.MetricName, in.Metric.Dimensions); err != nil {
		return err
	}
	if err := first(c.period(member+"Period", in.Period), c.unit(member+"Unit", in.Unit)); err != nil {
		return err
	}
	if in.Stat == nil {
		return c.required(member + "Stat")
	}
	if _, err := metrics.ParseStatistic(*in.Stat); err != nil {
		return invalid("The value %.100s for parameter %sStat is not supported.", *in.Stat, member)
	}
	q.Period, q.Statistic, q.Unit = int(*in.Period), *in.Stat, string(in.Unit)
	return nil
}

// queriesOut gives queries back as they came.
func queriesOut(queries []model.MetricQuery) []types.MetricDataQuery {
	var out []types.MetricDataQuery
	for _, q := range queries {
		o := types.MetricDataQuery{Id: aws.String(q.ID), ReturnData: aws.Bool(!q.Hidden), Label: given(q.Label), Expression: given(q.Expression)}
		if q.Metric == nil {
			o.Period = givenNumber(q.Period)
		} else {
			o.MetricStat = &types.MetricStat{
				Metric: &types.Metric{Namespace: aws.String(q.Metric.Namespace), MetricName: aws.String(q.Metric.Name), Dimensions: dimensionsOut(q.Metric.Dimensions)},
				Period: givenNumber(q.Period), Stat: aws.String(q.Statistic), Unit: types.StandardUnit(q.Unit),
			}
		}
		out = append(out, o)
	}
	return out
}

// given is a text, nil if there is none.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// givenNumber is a number, nil if it is 0.
func givenNumber(n int) *int32 {
	if n == 0 {
		return nil
	}
	return aws.Int32(int32(n))
}
