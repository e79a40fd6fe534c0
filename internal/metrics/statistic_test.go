package metrics_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

func TestParseStatistic(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for name, want := range map[string]metrics.Statistic{
		"Average":                     {Function: metrics.Average, Low: -inf, High: inf},
		"SampleCount":                 {Function: metrics.SampleCount, Low: -inf, High: inf},
		"p0":                          {Function: metrics.Percentile, Low: -inf, High: 0, Percent: true},
		"p99.9999999999":              {Function: metrics.Percentile, Low: -inf, High: 99.9999999999, Percent: true},
		"P100":                        {Function: metrics.Percentile, Low: -inf, High: 100, Percent: true},
		"tm90":                        {Function: metrics.TrimmedMean, High: 90, Percent: true},
		"TM(2%:98%)":                  {Function: metrics.TrimmedMean, Low: 2, High: 98, Percent: true},
		"TM(150:1000)":                {Function: metrics.TrimmedMean, Low: 150, High: 1000},
		"TM(:95%)":                    {Function: metrics.TrimmedMean, High: 95, Percent: true},
		"wm98":                        {Function: metrics.WinsorizedMean, High: 98, Percent: true},
		"WM(10%:90%)":                 {Function: metrics.WinsorizedMean, Low: 10, High: 90, Percent: true},
		"tc90":                        {Function: metrics.TrimmedCount, High: 90, Percent: true},
		"TC(0.005:0.030)":             {Function: metrics.TrimmedCount, Low: 0.005, High: 0.03},
		"TC(80%:)":                    {Function: metrics.TrimmedCount, Low: 80, High: 100, Percent: true},
		"ts90":                        {Function: metrics.TrimmedSum, High: 90, Percent: true},
		"TS(80:)":                     {Function: metrics.TrimmedSum, Low: 80, High: inf},
		"PR(:300)":                    {Function: metrics.PercentileRank, Low: -inf, High: 300},
		"PR(100:2000)":                {Function: metrics.PercentileRank, Low: 100, High: 2000},
		"IQM":                         {Function: metrics.TrimmedMean, Low: 25, High: 75, Percent: true},
		"":                            {},
		"average":                     {},
		"p":                           {},
		"p101":                        {},
		"p-1":                         {},
		"p1e1":                        {},
		"p.5":                         {},
		"p5.":                         {},
		"p9.12345678901":              {},
		"p(1:2)":                      {},
		"tm":                          {},
		"tm101":                       {},
		"TM(:)":                       {},
		"TM(1:2%)":                    {},
		"TM(5:5)":                     {},
		"TM(7:5)":                     {},
		"TM(1%:2%":                    {},
		"TM(1%)":                      {},
		"TM(1%:101%)":                 {},
		"PR90":                        {},
		"PR(1%:2%)":                   {},
		"PR(:300)x":                   {},
		"IQM1":                        {},
		"Averages":                    {},
		"tm" + "9\u0660":              {},
		"TM(0x1:0x2)":                 {},
		"TM(1_0:2_0)":                 {},
		"TM(NaN:Inf)":                 {},
		"Percentile":                  {},
		"TM(1:2:3)":                   {},
		"TM((1:2))":                   {},
		"p" + strings.Repeat("0", 40): {},
	} {
		got, err := metrics.ParseStatistic(name)
		if got != want || (err == nil) != (want.Function != "") {
			t.Errorf("%q is %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func FuzzParseStatistic(f *testing.F) {
	for _, s := range []string{"Sum", "p99.9", "TM(2%:98%)", "PR(:300)", "wm(1:)", "IQM", "TC(%:%)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		st, err := metrics.ParseStatistic(name)
		if err != nil {
			if st != (metrics.Statistic{}) {
				t.Fatalf("%q gives %+v and %v", name, st, err)
			}
			return
		}
		if st.Function == "" || math.IsNaN(st.Low) || math.IsNaN(st.High) || !(st.Low < st.High) && st.High != 0 {
			t.Fatalf("%q is %+v", name, st)
		}
		if st.Percent && (st.High > 100 || st.High < 0) {
			t.Fatalf("%q is %+v", name, st)
		}
	})
}

// V58 of the reference: 12:32:34 is 12:32:00, 12:30:00 from 15 days on, 12:00:00 from 63 days on.
func TestAlignStart(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 32, 34, 5, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		age, period time.Duration
		want        string
	}{
		{time.Hour, time.Minute, "12:32:00"},
		{time.Hour, 10 * time.Second, "12:32:30"},
		{time.Hour, time.Second, "12:32:34"},
		{3 * time.Hour, time.Second, "12:32:00"},
		{15*day - 1, time.Minute, "12:32:00"},
		{15 * day, time.Minute, "12:30:00"},
		{63*day - 1, time.Hour, "12:30:00"},
		{63 * day, time.Hour, "12:00:00"},
		{-time.Hour, time.Hour, "12:32:00"},
	} {
		if got := metrics.AlignStart(start, c.period, start.Add(c.age)).Format("15:04:05.999"); got != c.want {
			t.Errorf("%v old, %v: %v, want %v", c.age, c.period, got, c.want)
		}
	}
}

func TestCheckPeriod(t *testing.T) {
	t.Parallel()
	for p, want := range map[time.Duration]bool{
		time.Second: true, 5 * time.Second: true, 30 * time.Second: true, time.Minute: true, 7 * time.Minute: true, 24 * time.Hour: true,
		0: false, -time.Minute: false, 2 * time.Second: false, 15 * time.Second: false, 90 * time.Second: false, time.Millisecond: false,
	} {
		if got := metrics.CheckPeriod(p) == nil; got != want {
			t.Errorf("%v: %v", p, got)
		}
	}
}
