package alarm

import (
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// maxNotices is how many notices of an alarm wait at most: one that nobody takes must not fill its state.
const maxNotices = 10

// Notify notes in a state that the URLs among its actions are to be told of it, if there are any. It is written with what they are
// told of, so that whoever leads then tells them, and it stays there until they have been told.
func Notify(a *model.Alarm, s *model.AlarmState, now time.Time) {
	var urls []string
	for _, action := range a.ActionsIn(s.Value) {
		if strings.HasPrefix(action, "http://") || strings.HasPrefix(action, "https://") {
			urls = append(urls, action)
		}
	}
	if len(urls) == 0 || !a.ActionsEnabled {
		return
	}
	s.Untold = append(slices.Clone(s.Untold), model.AlarmNotice{Value: s.Value, Reason: s.Reason, At: now, URLs: urls})
	s.Untold = s.Untold[max(0, len(s.Untold)-maxNotices):]
}

// Told is what is left of notices when those of a moment have been told to all URLs but some.
func Told(untold []model.AlarmNotice, at time.Time, but []string) []model.AlarmNotice {
	var left []model.AlarmNotice
	for _, n := range untold {
		if n.At.Equal(at) {
			n.URLs = but
		}
		if len(n.URLs) > 0 {
			left = append(left, n)
		}
	}
	return left
}
