package inside

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// User is who a program runs as.
type User struct {
	UID, GID int
	Groups   []int
}

// UserOf tells the real user of a process. Its effective one may be lent to it by a file that is setuid, and it is not for
// the files of others that somebody is lent it.
func UserOf(pid int) (User, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return User{}, err
	}
	ids := map[string][]int{}
	for line := range strings.Lines(string(text)) {
		name, values, _ := strings.Cut(line, ":")
		if name != "Uid" && name != "Gid" && name != "Groups" {
			continue
		}
		for value := range strings.FieldsSeq(values) {
			id, err := strconv.Atoi(value)
			if err != nil {
				return User{}, fmt.Errorf("the user of process %d: %w", pid, err)
			}
			ids[name] = append(ids[name], id)
		}
	}
	if len(ids["Uid"]) == 0 || len(ids["Gid"]) == 0 {
		return User{}, fmt.Errorf("/proc tells no user of process %d", pid)
	}
	return User{UID: ids["Uid"][0], GID: ids["Gid"][0], Groups: ids["Groups"]}, nil
}

// Do calls a function that reads and writes files as the user may, and not as this process may.
func (u User) Do(do func() error) error {
	if own, err := own(); err != nil || own.is(u) {
		if err != nil {
			return err
		}
		return do()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The process's first thread stands for it in /proc and never ends. While it is held here, another goroutine has
			// another one.
			defer runtime.UnlockOSThread()
			done <- u.Do(do)
			return
		}
		// Not unlocked, so that the thread ends with the goroutine: it never is anybody else again.
		err := u.become()
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

func own() (User, error) {
	groups, err := os.Getgroups()
	return User{UID: os.Geteuid(), GID: os.Getegid(), Groups: groups}, err
}

func (u User) is(other User) bool {
	sorted := func(ids []int) []int { return slices.Sorted(slices.Values(ids)) }
	return u.UID == other.UID && u.GID == other.GID && slices.Equal(sorted(u.Groups), sorted(other.Groups))
}

// become gives this thread the user's rights on files. Without uid 0 there, the kernel takes the capabilities away that
// files need (capabilities(7), "Effect of user ID changes on capabilities").
func (u User) become() error {
	err := unix.Setgroups(u.Groups) // of package unix: of this thread alone
	if err == nil {
		err = unix.Setfsgid(u.GID)
	}
	if err == nil {
		err = unix.Setfsuid(u.UID)
	}
	if err != nil {
		return fmt.Errorf("act as uid %d, gid %d: %w", u.UID, u.GID, err)
	}
	// These two calls tell no failure but by what they did not change.
	gid, _ := unix.SetfsgidRetGid(-1)
	uid, _ := unix.SetfsuidRetUid(-1)
	if gid != u.GID || uid != u.UID {
		return fmt.Errorf("act as uid %d, gid %d: %w", u.UID, u.GID, unix.EPERM)
	}
	return nil
}
