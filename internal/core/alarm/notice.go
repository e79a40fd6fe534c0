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
	over := max(0, len(s.Untold)-maxNotices)
	s.Untold, s.Dropped = s.Untold[over:], s.Dropped+over
}

// Told is what is left of notices when the URLs of one have been told of it. An alarm may become several things at one time, and
// the same more than once: of those alike, each URL is told of the first that it has not been told of.
func Told(untold []model.AlarmNotice, told model.AlarmNotice) (left []model.AlarmNotice) {
	left = slices.Clone(untold)
	for _, url := range told.URLs {
		for i, n := range left {
			if at := slices.Index(n.URLs, url); at >= 0 && n.At.Equal(told.At) && n.Value == told.Value {
				left[i].URLs = slices.Delete(slices.Clone(n.URLs), at, at+1)
				break
			}
		}
	}
	return slices.DeleteFunc(left, func(n model.AlarmNotice) bool { return len(n.URLs) == 0 })
}
