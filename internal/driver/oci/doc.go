// Package oci is the driver that runs real containers without a daemon: images from a store on this machine's disk, root
// file systems by overlayfs, containers by the program runc or crun, and their exits by the machine's keeper (package
// keeper), which is the parent of every container and so sees each end without asking.
//
// Of a container there is: a bundle (its configuration and what the runtime keeps) in a directory that is best on a file
// system in memory, a writable layer on the disk, a cgroup, and the network of its task or of its own. All of it is
// named by the container's id, told to the keeper's journal before anything is made of it, and cleared away by whoever
// finds it ended: the keeper, Remove, or the next New.
//
// It needs root. Running without root, in a user namespace with delegated cgroups, is not built.
package oci
