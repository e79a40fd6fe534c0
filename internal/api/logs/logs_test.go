package logs_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maitred/maitred/internal/api/apitest"
	api "github.com/maitred/maitred/internal/api/logs"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/logs/frame"
)

// TestEveryOperationIsKnown compares the table with the SDK's client.
func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	apitest.WantTable(t, api.New(api.Deps{}).Service(), reflect.TypeFor[*client.Client](), "InvalidOperationException")
}

func TestGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.create(fmt.Sprintf("/app/%d", i))
	}
	if _, err := w.CreateLogGroup(t.Context(), &client.CreateLogGroupInput{
		LogGroupName: aws.String("other"), Tags: map[string]string{"team": "blue"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.PutRetentionPolicy(t.Context(), &client.PutRetentionPolicyInput{LogGroupName: aws.String("other"), RetentionInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	var names []string
	pages := client.NewDescribeLogGroupsPaginator(w, &client.DescribeLogGroupsInput{Limit: aws.Int32(2)})
	var last types.LogGroup
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.LogGroups {
			names, last = append(names, *g.LogGroupName), g
		}
	}
	if diff := cmp.Diff([]string{"/app/0", "/app/1", "/app/2", "/app/3", "/app/4", "other"}, names); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	want := types.LogGroup{
		LogGroupName: aws.String("other"), Arn: aws.String("arn:aws:logs:eu-west-1:123456789012:log-group:other:*"),
		LogGroupArn:  aws.String("arn:aws:logs:eu-west-1:123456789012:log-group:other"),
		CreationTime: aws.Int64(start.UnixMilli()), LogGroupClass: types.LogGroupClassStandard, MetricFilterCount: aws.Int32(0),
		StoredBytes: aws.Int64(0), RetentionInDays: aws.Int32(7),
	}
	if diff := cmp.Diff(want, last, cmpopts.IgnoreUnexported(types.LogGroup{})); diff != "" {
		t.Errorf("the group (-want +got):\n%s", diff)
	}
	if _, err := w.DeleteLogGroup(t.Context(), &client.DeleteLogGroupInput{LogGroupName: aws.String("/app/0")}); err != nil {
		t.Fatal(err)
	}
	out, err := w.DescribeLogGroups(t.Context(), &client.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/app/")})
	if err != nil || len(out.LogGroups) != 4 {
		t.Errorf("after a deletion there are %d groups, %v, want 4", len(out.LogGroups), err)
	}
	out, err = w.DescribeLogGroups(t.Context(), &client.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("the")})
	if err != nil || len(out.LogGroups) != 1 || *out.LogGroups[0].LogGroupName != "other" {
		t.Errorf("by pattern there is %v, %v, want other", out, err)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g")
	for _, arn := range []string{"arn:aws:logs:eu-west-1:123456789012:log-group:g", "arn:aws:logs:eu-west-1:123456789012:log-group:g:*"} {
		if _, err := w.TagResource(t.Context(), &client.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"a": "1", "b": arn[len(arn)-1:]}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.UntagResource(t.Context(), &client.UntagResourceInput{ResourceArn: aws.String("arn:aws:logs:eu-west-1:123456789012:log-group:g"), TagKeys: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	//nolint:staticcheck // clients still call it
	if _, err := w.TagLogGroup(t.Context(), &client.TagLogGroupInput{LogGroupName: aws.String("g"), Tags: map[string]string{"c": "3", "d": "4"}}); err != nil {
		t.Fatal(err)
	}
	//nolint:staticcheck // clients still call it
	if _, err := w.UntagLogGroup(t.Context(), &client.UntagLogGroupInput{LogGroupName: aws.String("g"), Tags: []string{"d"}}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"b": "*", "c": "3"}
	out, err := w.ListTagsForResource(t.Context(), &client.ListTagsForResourceInput{ResourceArn: aws.String("arn:aws:logs:eu-west-1:123456789012:log-group:g")})
	if err != nil || cmp.Diff(want, out.Tags) != "" {
		t.Errorf("tags %v, %v, want %v", out, err, want)
	}
	//nolint:staticcheck // clients still call it
	old, err := w.ListTagsLogGroup(t.Context(), &client.ListTagsLogGroupInput{LogGroupName: aws.String("g")})
	if err != nil || cmp.Diff(want, old.Tags) != "" {
		t.Errorf("tags by name %v, %v, want %v", old, err, want)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g", "a", "b", "c")
	w.put("a", event(30, "x"))
	w.put("b", event(10, "x"), event(20, "y"))
	list := func(in client.DescribeLogStreamsInput) (names []string) {
		in.LogGroupName, in.Limit = aws.String("g"), aws.Int32(2)
		pages := client.NewDescribeLogStreamsPaginator(w, &in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.LogStreams {
				names = append(names, *s.LogStreamName)
			}
		}
		return names
	}
	for name, c := range map[string]struct {
		in   client.DescribeLogStreamsInput
		want []string
	}{
		"by name":            {client.DescribeLogStreamsInput{}, []string{"a", "b", "c"}},
		"by name, backwards": {client.DescribeLogStreamsInput{Descending: aws.Bool(true)}, []string{"c", "b", "a"}},
		"by time":            {client.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime}, []string{"c", "b", "a"}},
		"newest":             {client.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true)}, []string{"a", "b", "c"}},
		"by prefix":          {client.DescribeLogStreamsInput{LogStreamNamePrefix: aws.String("b")}, []string{"b"}},
	} {
		if diff := cmp.Diff(c.want, list(c.in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	out, err := w.DescribeLogStreams(t.Context(), &client.DescribeLogStreamsInput{
		LogGroupIdentifier: aws.String("arn:aws:logs:eu-west-1:123456789012:log-group:g"), LogStreamNamePrefix: aws.String("b"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := out.LogStreams[0]
	if *s.FirstEventTimestamp != start.UnixMilli()+10 || *s.LastEventTimestamp != start.UnixMilli()+20 || *s.CreationTime != start.UnixMilli() ||
		*s.Arn != "arn:aws:logs:eu-west-1:123456789012:log-group:g:log-stream:b" {
		t.Errorf("the stream is %+v", s)
	}
	if _, err := w.DeleteLogStream(t.Context(), &client.DeleteLogStreamInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "c"}, list(client.DescribeLogStreamsInput{})); diff != "" {
		t.Errorf("after a deletion (-want +got):\n%s", diff)
	}
}

func TestGetLogEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g", "s")
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("m%d", i))
		w.put("s", event(i/2, want[i]))
	}
	get := func(in client.GetLogEventsInput) (*client.GetLogEventsOutput, []string) {
		t.Helper()
		in.LogGroupName, in.LogStreamName = aws.String("g"), aws.String("s")
		out, err := w.GetLogEvents(t.Context(), &in)
		if err != nil {
			t.Fatalf("GetLogEvents = %v", err)
		}
		var got []string
		for _, e := range out.Events {
			got = append(got, *e.Message)
		}
		return out, got
	}
	page, got := get(client.GetLogEventsInput{Limit: aws.Int32(3)})
	if diff := cmp.Diff(want[7:], got); diff != "" {
		t.Errorf("without a token it is the end (-want +got):\n%s", diff)
	}
	_, got = get(client.GetLogEventsInput{Limit: aws.Int32(4), NextToken: page.NextBackwardToken})
	if diff := cmp.Diff(want[3:7], got); diff != "" {
		t.Errorf("backwards (-want +got):\n%s", diff)
	}
	again, got := get(client.GetLogEventsInput{NextToken: page.NextForwardToken})
	if len(got) != 0 || *again.NextForwardToken != *page.NextForwardToken {
		t.Errorf("at the end there are %v and the token %s, want nothing and the same token %s", got, *again.NextForwardToken, *page.NextForwardToken)
	}
	w.put("s", event(9, "new"))
	if _, got = get(client.GetLogEventsInput{NextToken: again.NextForwardToken}); cmp.Diff([]string{"new"}, got) != "" {
		t.Errorf("when there is more, the token leads to %v, want new", got)
	}
	var all []string
	in := client.GetLogEventsInput{StartFromHead: aws.Bool(true), Limit: aws.Int32(3)}
	for {
		page, got := get(in)
		if all = append(all, got...); len(got) == 0 {
			break
		}
		in.NextToken = page.NextForwardToken
	}
	if diff := cmp.Diff(append(want, "new"), all); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}
	from, to := start.UnixMilli()+1, start.UnixMilli()+3
	if _, got = get(client.GetLogEventsInput{StartTime: &from, EndTime: &to}); cmp.Diff(want[2:6], got) != "" {
		t.Errorf("from 1 to before 3 there are %v, want %v", got, want[2:6])
	}
}

func TestEmptyStreamTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g", "s")
	out, err := w.GetLogEvents(t.Context(), &client.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	w.put("s", event(0, "first"))
	out, err = w.GetLogEvents(t.Context(), &client.GetLogEventsInput{
		LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), NextToken: out.NextForwardToken,
	})
	if err != nil || len(out.Events) != 1 {
		t.Errorf("the token of an empty stream leads to %v, %v, want the first event", out, err)
	}
}

// TestFilterLogEvents reads what containers of a machine wrote together with what was put.
func TestFilterLogEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g", "put")
	g := logs.Group{Region: region, Name: "g", Created: start.UnixMilli()}
	for i := range 6 {
		at := start.UnixMilli() + int64(i)
		if err := w.machine.Append(g, "web/main/"+string(rune('a'+i%2)), disk.Batch{
			Ingested: at, Events: []frame.Event{{At: at, Message: fmt.Sprintf("machine %d ERROR", i)}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	w.put("put", event(2, `{"level":"ERROR","n":2}`), event(4, "fine"))
	filter := func(in client.FilterLogEventsInput) (got []string) {
		t.Helper()
		in.LogGroupName = aws.String("g")
		ids := map[string]bool{}
		pages := client.NewFilterLogEventsPaginator(w, &in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatalf("FilterLogEvents = %v", err)
			}
			for _, e := range page.Events {
				if ids[*e.EventId] || len(*e.EventId) != 56 {
					t.Errorf("the event id %s is not one of 56 digits for this event alone", *e.EventId)
				}
				ids[*e.EventId] = true
				got = append(got, fmt.Sprintf("%d %s %s", *e.Timestamp-start.UnixMilli(), *e.LogStreamName, *e.Message))
			}
		}
		return got
	}
	all := []string{
		"0 web/main/a machine 0 ERROR", "1 web/main/b machine 1 ERROR", `2 put {"level":"ERROR","n":2}`,
		"2 web/main/a machine 2 ERROR", "3 web/main/b machine 3 ERROR", "4 put fine", "4 web/main/a machine 4 ERROR",
		"5 web/main/b machine 5 ERROR",
	}
	for name, c := range map[string]struct {
		in   client.FilterLogEventsInput
		want []string
	}{
		"all":       {client.FilterLogEventsInput{}, all},
		"in pages":  {client.FilterLogEventsInput{Limit: aws.Int32(3)}, all},
		"a term":    {client.FilterLogEventsInput{FilterPattern: aws.String("fine")}, all[5:6]},
		"JSON":      {client.FilterLogEventsInput{FilterPattern: aws.String(`{ $.n > 1 }`), Limit: aws.Int32(1)}, all[2:3]},
		"a stream":  {client.FilterLogEventsInput{LogStreamNames: []string{"web/main/b"}}, []string{all[1], all[4], all[7]}},
		"a prefix":  {client.FilterLogEventsInput{LogStreamNamePrefix: aws.String("p")}, []string{all[2], all[5]}},
		"from":      {client.FilterLogEventsInput{StartTime: aws.Int64(start.UnixMilli() + 4)}, all[5:]},
		"to":        {client.FilterLogEventsInput{EndTime: aws.Int64(start.UnixMilli() + 1)}, all[:2]},
		"backwards": {client.FilterLogEventsInput{StartFromHead: aws.Bool(false), StartTime: aws.Int64(start.UnixMilli() + 5), Limit: aws.Int32(1)}, all[7:]},
	} {
		if diff := cmp.Diff(c.want, filter(c.in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRetention hides at once what a group does not keep, and refuses what it would not.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g", "s")
	w.put("s", event(0, "old"))
	w.pass(30 * time.Hour)
	w.put("s", event(int(30*time.Hour/time.Millisecond), "new"))
	if _, err := w.PutRetentionPolicy(t.Context(), &client.PutRetentionPolicyInput{LogGroupName: aws.String("g"), RetentionInDays: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		out, err := w.FilterLogEvents(t.Context(), &client.FilterLogEventsInput{LogGroupName: aws.String("g")})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Events)
	}
	if n := count(); n != 1 {
		t.Errorf("%d events are told, want that of the last day", n)
	}
	out := w.put("s", event(5, "late"))
	if out.RejectedLogEventsInfo == nil || aws.ToInt32(out.RejectedLogEventsInfo.ExpiredLogEventEndIndex) != 1 {
		t.Errorf("an expired event: %+v, want it to be rejected", out.RejectedLogEventsInfo)
	}
	if _, err := w.DeleteRetentionPolicy(t.Context(), &client.DeleteRetentionPolicyInput{LogGroupName: aws.String("g")}); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Errorf("without a policy %d events are told, want both", n)
	}
}

func TestRejectedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g", "s")
	const hour = 3600_000
	out := w.put("s", event(-15*24*hour, "too old"), event(-14*24*hour-1, "too old"), event(-14*24*hour, "just right"))
	if got := aws.ToInt32(out.RejectedLogEventsInfo.TooOldLogEventEndIndex); got != 2 {
		t.Errorf("the too old ones end before %d, want 2", got)
	}
	out = w.put("s", event(2*hour, "just right"), event(2*hour+1, "too new"))
	if got := aws.ToInt32(out.RejectedLogEventsInfo.TooNewLogEventStartIndex); got != 1 {
		t.Errorf("the too new ones begin at %d, want 1", got)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("g", "s")
	ctx := t.Context()
	g, s, none := aws.String("g"), aws.String("s"), aws.String("none")
	const invalid, missing = "InvalidParameterException", "ResourceNotFoundException"
	one := []types.InputLogEvent{event(0, "x")}
	put := func(events ...types.InputLogEvent) func() error {
		return func() error {
			_, err := w.PutLogEvents(ctx, &client.PutLogEventsInput{LogGroupName: g, LogStreamName: s, LogEvents: events})
			return err
		}
	}
	group := func(in client.CreateLogGroupInput) func() error {
		return func() error { _, err := w.CreateLogGroup(ctx, &in); return err }
	}
	get := func(in client.GetLogEventsInput) func() error {
		return func() error { _, err := w.GetLogEvents(ctx, &in); return err }
	}
	filter := func(in client.FilterLogEventsInput) func() error {
		return func() error { _, err := w.FilterLogEvents(ctx, &in); return err }
	}
	streams := func(in client.DescribeLogStreamsInput) func() error {
		return func() error { _, err := w.DescribeLogStreams(ctx, &in); return err }
	}
	stream := func(group, name *string) func() error {
		return func() error {
			_, err := w.CreateLogStream(ctx, &client.CreateLogStreamInput{LogGroupName: group, LogStreamName: name})
			return err
		}
	}
	for name, c := range map[string]struct {
		do         func() error
		code, text string
	}{
		"group without a name":     {group(client.CreateLogGroupInput{}), invalid, "1 to 512"},
		"group with a space":       {group(client.CreateLogGroupInput{LogGroupName: aws.String("a b")}), invalid, "none of letters"},
		"group too long":           {group(client.CreateLogGroupInput{LogGroupName: aws.String(strings.Repeat("x", 513))}), invalid, "1 to 512"},
		"group twice":              {group(client.CreateLogGroupInput{LogGroupName: g}), "ResourceAlreadyExistsException", "already exists"},
		"encrypted group":          {group(client.CreateLogGroupInput{LogGroupName: none, KmsKeyId: g}), invalid, "kmsKeyId"},
		"class of group":           {group(client.CreateLogGroupInput{LogGroupName: none, LogGroupClass: types.LogGroupClassInfrequentAccess}), invalid, "logGroupClass"},
		"protected group":          {group(client.CreateLogGroupInput{LogGroupName: none, DeletionProtectionEnabled: aws.Bool(true)}), invalid, "deletionProtectionEnabled"},
		"tag of AWS":               {group(client.CreateLogGroupInput{LogGroupName: none, Tags: map[string]string{"aws:x": ""}}), invalid, "reserved"},
		"long tag":                 {group(client.CreateLogGroupInput{LogGroupName: none, Tags: map[string]string{strings.Repeat("x", 129): ""}}), invalid, "128"},
		"long tag value":           {group(client.CreateLogGroupInput{LogGroupName: none, Tags: map[string]string{"x": strings.Repeat("x", 257)}}), invalid, "256"},
		"stream of no group":       {stream(none, s), missing, "log group does not exist"},
		"stream without a name":    {stream(g, nil), invalid, "1 to 512"},
		"stream with a star":       {stream(g, aws.String("a*")), invalid, "no *"},
		"stream with a colon":      {stream(g, aws.String("a:b")), invalid, "no :"},
		"stream twice":             {stream(g, s), "ResourceAlreadyExistsException", "log stream already exists"},
		"order of streams":         {streams(client.DescribeLogStreamsInput{LogGroupName: g, OrderBy: "Size"}), invalid, "orderBy"},
		"time and prefix":          {streams(client.DescribeLogStreamsInput{LogGroupName: g, OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: s}), invalid, "Cannot order by LastEventTime"},
		"too many streams":         {streams(client.DescribeLogStreamsInput{LogGroupName: g, Limit: aws.Int32(51)}), invalid, "between 1 and 50"},
		"token of streams":         {streams(client.DescribeLogStreamsInput{LogGroupName: g, NextToken: aws.String("%")}), invalid, "nextToken"},
		"name and identifier":      {streams(client.DescribeLogStreamsInput{LogGroupName: g, LogGroupIdentifier: g}), invalid, "together"},
		"ARN of another account":   {streams(client.DescribeLogStreamsInput{LogGroupIdentifier: aws.String("arn:aws:logs:eu-west-1:999999999999:log-group:g")}), invalid, "this account"},
		"no events":                {put(), invalid, "1 to 10000"},
		"too many events":          {put(slices.Repeat(one, 10_001)...), invalid, "1 to 10000"},
		"empty message":            {put(event(0, "")), invalid, "at least 1 character"},
		"no time":                  {put(types.InputLogEvent{Message: g}), invalid, "timestamp"},
		"negative time":            {put(types.InputLogEvent{Message: g, Timestamp: aws.Int64(-1)}), invalid, "timestamp"},
		"not in order":             {put(event(1, "x"), event(0, "y")), invalid, "chronological order"},
		"more than a day":          {put(event(-86_400_001, "x"), event(0, "y")), invalid, "24 hours"},
		"too large":                {put(event(0, strings.Repeat("x", 1<<20))), invalid, "exceeds limit"},
		"events of no stream":      {get(client.GetLogEventsInput{LogGroupName: g, LogStreamName: none}), missing, "log stream does not exist"},
		"events of no group":       {get(client.GetLogEventsInput{LogGroupName: none, LogStreamName: s}), missing, "log group does not exist"},
		"too many to get":          {get(client.GetLogEventsInput{LogGroupName: g, LogStreamName: s, Limit: aws.Int32(10_001)}), invalid, "between 1 and 10000"},
		"none to get":              {get(client.GetLogEventsInput{LogGroupName: g, LogStreamName: s, Limit: aws.Int32(0)}), invalid, "between 1 and 10000"},
		"bad token":                {get(client.GetLogEventsInput{LogGroupName: g, LogStreamName: s, NextToken: aws.String("x/1")}), invalid, "nextToken"},
		"empty token":              {get(client.GetLogEventsInput{LogGroupName: g, LogStreamName: s, NextToken: aws.String("f/")}), invalid, "nextToken"},
		"negative start":           {get(client.GetLogEventsInput{LogGroupName: g, LogStreamName: s, StartTime: aws.Int64(-1)}), invalid, "startTime"},
		"bad pattern":              {filter(client.FilterLogEventsInput{LogGroupName: g, FilterPattern: aws.String("[a, b]")}), invalid, "Invalid filter pattern"},
		"open JSON pattern":        {filter(client.FilterLogEventsInput{LogGroupName: g, FilterPattern: aws.String("{ $.a = 1")}), invalid, "expected }"},
		"names and prefix":         {filter(client.FilterLogEventsInput{LogGroupName: g, LogStreamNames: []string{"s"}, LogStreamNamePrefix: s}), invalid, "together"},
		"too many names":           {filter(client.FilterLogEventsInput{LogGroupName: g, LogStreamNames: slices.Repeat([]string{"s"}, 101)}), invalid, "at most 100"},
		"filter of no stream":      {filter(client.FilterLogEventsInput{LogGroupName: g, LogStreamNames: []string{"none"}}), missing, "log stream does not exist"},
		"start after end":          {filter(client.FilterLogEventsInput{LogGroupName: g, StartTime: aws.Int64(2), EndTime: aws.Int64(1)}), invalid, "after endTime"},
		"filter with a bad token":  {filter(client.FilterLogEventsInput{LogGroupName: g, NextToken: aws.String("e30")}), "", ""},
		"filter with half a token": {filter(client.FilterLogEventsInput{LogGroupName: g, NextToken: aws.String("e3")}), invalid, "nextToken"},
		"retention that is not one": {func() error {
			_, err := w.PutRetentionPolicy(ctx, &client.PutRetentionPolicyInput{LogGroupName: g, RetentionInDays: aws.Int32(2)})
			return err
		}, invalid, "one of 1, 3, 5"},
		"no retention": {func() error {
			_, err := w.PutRetentionPolicy(ctx, &client.PutRetentionPolicyInput{LogGroupName: g})
			return err
		}, invalid, "at least 1"},
		"no tags":     {func() error { _, err := w.TagResource(ctx, &client.TagResourceInput{ResourceArn: g}); return err }, invalid, "tags should not be empty"},
		"no tag keys": {func() error { _, err := w.UntagResource(ctx, &client.UntagResourceInput{ResourceArn: g}); return err }, invalid, "tagKeys should not be empty"},
		"tags of no group": {func() error {
			_, err := w.ListTagsForResource(ctx, &client.ListTagsForResourceInput{ResourceArn: none})
			return err
		}, missing, "log group"},
		"delete no group": {func() error {
			_, err := w.DeleteLogGroup(ctx, &client.DeleteLogGroupInput{LogGroupName: none})
			return err
		}, missing, "log group"},
		"delete no stream": {func() error {
			_, err := w.DeleteLogStream(ctx, &client.DeleteLogStreamInput{LogGroupName: g, LogStreamName: none})
			return err
		}, missing, "log stream"},
		"groups by prefix and by part": {func() error {
			_, err := w.DescribeLogGroups(ctx, &client.DescribeLogGroupsInput{LogGroupNamePrefix: g, LogGroupNamePattern: g})
			return err
		}, invalid, "mutually exclusive"},
		"too many groups": {func() error {
			_, err := w.DescribeLogGroups(ctx, &client.DescribeLogGroupsInput{Limit: aws.Int32(51)})
			return err
		}, invalid, "between 1 and 50"},
		"what is not there": {func() error { _, err := w.StartQuery(ctx, &client.StartQueryInput{}); return err }, "InvalidOperationException", "StartQuery is not supported"},
	} {
		err := c.do()
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v, want no error", name, err)
			}
			continue
		}
		wantError(t, name, err, c.code, c.text)
	}
}
