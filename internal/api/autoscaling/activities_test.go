package autoscaling_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/model"
)

func TestDescribeScalingActivities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := model.ScalablePath(region, web)
	for i := range 120 {
		a := &model.ScalingActivity{
			ID: fmt.Sprint(i + 1), Target: target, Number: i + 1, StartedAt: start.Add(time.Duration(i) * time.Second), Status: model.ActivitySuccessful,
			Description: "d", CauseText: "c", Desired: 1,
		}
		switch i % 3 {
		case 1:
			a.Status, a.Desired = model.ActivityFailed, -1
			a.NotScaled = []model.NotScaled{{Code: model.AtMaxCapacity, Current: -1, Min: -1, Max: 10}}
		case 2:
			a.Status, a.Desired, a.Details = model.ActivityFailed, -1, "scaling out is suspended"
		}
		w.put(a)
	}
	w.put(&model.ScalingActivity{ID: "old", Target: target + "2", Number: 1, StartedAt: start.Add(-43 * 24 * time.Hour)})
	w.put(&model.ScalingActivity{ID: "other", Target: target + "2", Number: 2, StartedAt: start.Add(-time.Hour)})
	w.advance(time.Hour)
	for _, test := range []struct {
		in          client.DescribeScalingActivitiesInput
		want        int
		first, last string
	}{
		{client.DescribeScalingActivitiesInput{}, 41, "118", "other"},
		{client.DescribeScalingActivitiesInput{ResourceId: aws.String(web)}, 40, "118", "1"},
		{client.DescribeScalingActivitiesInput{ResourceId: aws.String(web), ScalableDimension: dimension, IncludeNotScaledActivities: aws.Bool(true)}, 120, "120", "1"},
		{client.DescribeScalingActivitiesInput{ResourceId: aws.String(web), MaxResults: aws.Int32(7)}, 40, "118", "1"},
		{client.DescribeScalingActivitiesInput{ResourceId: aws.String("service/default/no")}, 0, "", ""},
	} {
		test.in.ServiceNamespace = namespace
		var got []types.ScalingActivity
		pages := client.NewDescribeScalingActivitiesPaginator(w, &test.in)
		for pages.HasMorePages() {
			got = append(got, must(pages.NextPage(t.Context()))(t).ScalingActivities...)
		}
		if len(got) != test.want {
			t.Errorf("%+v: got %d activities, want %d", test.in, len(got), test.want)
			continue
		}
		if len(got) > 0 && (*got[0].ActivityId != test.first || *got[len(got)-1].ActivityId != test.last) {
			t.Errorf("%+v: got %s to %s, want %s to %s", test.in, *got[0].ActivityId, *got[len(got)-1].ActivityId, test.first, test.last)
		}
	}
	all := w.activities(true)
	if r := all[1].NotScaledReasons; *all[0].Details != "scaling out is suspended" || len(r) != 1 || *r[0].Code != "AlreadyAtMaxCapacity" || *r[0].MaxCapacity != 10 || r[0].MinCapacity != nil {
		t.Errorf("got %+v and %+v", all[0], r)
	}
}
