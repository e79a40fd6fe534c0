package driver

import (
	"errors"
	"fmt"
)

// ErrNoVolume says that a shared volume is not there and is not to be made ("DockerVolumeConfiguration", autoprovision).
// It is wrapped with the volume's name, in a Failure of the name ResourceInitializationError.
var ErrNoVolume = errors.New("it does not exist, and autoprovision is false")

// UnknownVolume is the error of a container with a mount point for a volume that its task does not have. It is wrapped in
// a Failure of the name CannotCreateContainerError.
func UnknownVolume(name string) error {
	return fmt.Errorf("mountPoints: the task has no volume %q", name)
}
