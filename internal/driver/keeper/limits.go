package keeper

// resources numbers Linux's resource limits by ECS's names ("Ulimit"). The numbers are those of x86 and arm.
func resources() map[string]int {
	return map[string]int{
		"cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "memlock": 8,
		"as": 9, "locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
	}
}

// KnownLimit says whether there is a resource limit of a name.
func KnownLimit(name string) bool {
	_, known := resources()[name]
	return known
}
