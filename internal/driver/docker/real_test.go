package docker

func realTests() map[string]func(*world) { return nil }
