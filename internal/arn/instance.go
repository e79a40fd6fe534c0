package arn

// instanceDigits is how many hex digits the id of an EC2 instance has.
const instanceDigits = 17

// InstanceID is the id of a machine as a target of a load balancer, in the form of an EC2 instance's.
func InstanceID(machine string) string { return "i-" + machine[:min(instanceDigits, len(machine))] }
