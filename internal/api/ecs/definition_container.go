package ecs

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// checkContainer says what is wrong with a container by itself and with the network mode.
func (d *definition) checkContainer(c container) string {
	for _, rule := range []func(container) string{
		checkName, checkImage, checkNumbers, checkLengths, checkTexts, checkContainerEnums,
		checkEnvironmentFiles, checkHealth, checkRestart, checkUlimits, checkLog, checkGPU,
	} {
		if problem := rule(c); problem != "" {
			return problem
		}
	}
	return first(d.checkPorts(c), d.checkNetworkMembers(c), d.checkSystem(c))
}

func checkName(c container) string {
	switch name := aws.ToString(c.Name); {
	case name == "":
		return "Container.name should not be null or empty."
	case !validName(name):
		return fmt.Sprintf("Container.name %.300q is not a name: %s.", name, nameRule)
	}
	return ""
}

const imageMax = 255

var (
	imagePattern  = regexp.MustCompile(`^[A-Za-z0-9_:./#-]+$`)
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

func checkImage(c container) string {
	image := aws.ToString(c.Image)
	if image == "" {
		return "Container.image should not be null or empty."
	}
	name, digest, exact := strings.Cut(image, "@")
	switch {
	case len(name) > imageMax:
		return c.invalid("image", "It has %d characters before the digest; at most %d are allowed.", len(name), imageMax)
	case !imagePattern.MatchString(name):
		return c.invalid("image", "Letters, digits and - _ : . / # are allowed, and a digest after @; got %.300q.", image)
	case exact && !digestPattern.MatchString(digest):
		return c.invalid("image", "A digest is sha256: and 64 hexadecimal digits, got %.100q.", digest)
	}
	return ""
}

// number is a numeric member of a container and its range.
type number struct {
	member   string
	value    *int32
	min, max int32
	orZero   bool // zero is allowed too: it means not given
}

// containerMemoryMin is what Docker keeps for itself in MiB ("ContainerDefinition").
const containerMemoryMin = 6

func numbers(c container) []number {
	list := []number{
		{"cpu", &c.Cpu, 0, math.MaxInt32, false},
		{"memory", c.Memory, containerMemoryMin, math.MaxInt32, true},
		{"memoryReservation", c.MemoryReservation, containerMemoryMin, math.MaxInt32, true},
		{"startTimeout", c.StartTimeout, 0, math.MaxInt32, false},
		{"stopTimeout", c.StopTimeout, 0, math.MaxInt32, false},
	}
	if h := c.HealthCheck; h != nil {
		list = append(list,
			number{"healthCheck.interval", h.Interval, 5, 300, false},
			number{"healthCheck.timeout", h.Timeout, 2, 60, false},
			number{"healthCheck.retries", h.Retries, 1, 10, false},
			number{"healthCheck.startPeriod", h.StartPeriod, 0, 300, false})
	}
	if r := c.RestartPolicy; r != nil {
		list = append(list, number{"restartPolicy.restartAttemptPeriod", r.RestartAttemptPeriod, 60, 1800, false})
	}
	if l := c.LinuxParameters; l != nil {
		list = append(list,
			number{"linuxParameters.maxSwap", l.MaxSwap, 0, math.MaxInt32, false},
			number{"linuxParameters.swappiness", l.Swappiness, 0, 100, false},
			number{"linuxParameters.sharedMemorySize", l.SharedMemorySize, 1, math.MaxInt32, true})
		for i := range l.Tmpfs {
			list = append(list, number{fmt.Sprintf("linuxParameters.tmpfs[%d].size", i), &l.Tmpfs[i].Size, 1, math.MaxInt32, false})
		}
	}
	return list
}

func checkNumbers(c container) string {
	for _, n := range numbers(c) {
		if n.value == nil || n.orZero && *n.value == 0 || *n.value >= n.min && *n.value <= n.max {
			continue
		}
		if n.max == math.MaxInt32 {
			return c.invalid(n.member, "It should be at least %d, got %d.", n.min, *n.value)
		}
		return c.invalid(n.member, "It should be between %d and %d, got %d.", n.min, n.max, *n.value)
	}
	return ""
}

func checkLengths(c container) string {
	for _, list := range []struct {
		member   string
		len, max int
	}{
		{"environmentFiles", len(c.EnvironmentFiles), environmentFilesMax},
		{"restartPolicy.ignoredExitCodes", ignoredExitCodes(c), 50},
	} {
		if list.len > list.max {
			return c.invalid(list.member, "It has %d elements; at most %d are allowed.", list.len, list.max)
		}
	}
	return ""
}

func ignoredExitCodes(c container) int {
	if c.RestartPolicy == nil {
		return 0
	}
	return len(c.RestartPolicy.IgnoredExitCodes)
}

// text is a member of a container that has to be there if what it belongs to is.
type text struct {
	list   string
	index  int
	member string
	value  *string
}

func texts(c container) []text {
	var list []text
	add := func(of string, i int, member string, value *string) { list = append(list, text{of, i, member, value}) }
	for i, e := range c.Environment {
		add("environment", i, "name", e.Name)
	}
	for i, e := range c.EnvironmentFiles {
		add("environmentFiles", i, "value", e.Value)
	}
	for i, s := range c.Secrets {
		add("secrets", i, "name", s.Name)
		add("secrets", i, "valueFrom", s.ValueFrom)
	}
	for i, m := range c.MountPoints {
		add("mountPoints", i, "sourceVolume", m.SourceVolume)
		add("mountPoints", i, "containerPath", m.ContainerPath)
	}
	for i, v := range c.VolumesFrom {
		add("volumesFrom", i, "sourceContainer", v.SourceContainer)
	}
	for i, h := range c.ExtraHosts {
		add("extraHosts", i, "hostname", h.Hostname)
		add("extraHosts", i, "ipAddress", h.IpAddress)
	}
	for i, s := range c.SystemControls {
		add("systemControls", i, "namespace", s.Namespace)
		add("systemControls", i, "value", s.Value)
	}
	if c.LogConfiguration != nil {
		for i, o := range c.LogConfiguration.SecretOptions {
			add("secretOptions", i, "name", o.Name)
			add("secretOptions", i, "valueFrom", o.ValueFrom)
		}
	}
	for i, d := range c.DependsOn {
		add("dependsOn", i, "containerName", d.ContainerName)
	}
	return list
}

func checkTexts(c container) string {
	for _, t := range texts(c) {
		if aws.ToString(t.value) == "" {
			return c.invalid(t.list, "%s[%d].%s should not be empty.", t.list, t.index, t.member)
		}
	}
	if r := c.RepositoryCredentials; r != nil && aws.ToString(r.CredentialsParameter) == "" {
		return c.invalid("repositoryCredentials", "credentialsParameter should not be empty.")
	}
	return ""
}

func checkContainerEnums(c container) string {
	problems := []string{enumProblem("versionConsistency", c.VersionConsistency)}
	for _, r := range c.ResourceRequirements {
		problems = append(problems, required("resourceRequirements.type", r.Type))
	}
	for _, d := range c.DependsOn {
		problems = append(problems, required("dependsOn.condition", d.Condition))
	}
	for _, p := range c.PortMappings {
		problems = append(problems,
			enumProblem("portMappings.protocol", p.Protocol), enumProblem("portMappings.appProtocol", p.AppProtocol))
	}
	if c.FirelensConfiguration != nil {
		problems = append(problems, required("firelensConfiguration.type", c.FirelensConfiguration.Type))
	}
	if problem := first(problems...); problem != "" {
		return fmt.Sprintf("Invalid setting for container '%s'. %s", c.label(), problem)
	}
	return ""
}

// environmentFilesMax is how many environment files a container can have ("EnvironmentFile").
const environmentFilesMax = 10

var objectPattern = regexp.MustCompile(`^arn:aws(-[a-z]+)*:s3:::[^/]+/.+\.env$`)

func checkEnvironmentFiles(c container) string {
	for i, f := range c.EnvironmentFiles {
		if problem := fileProblem(fmt.Sprintf("environmentFiles[%d]", i), f); problem != "" {
			return c.invalid("environmentFiles", "%s", problem)
		}
	}
	return ""
}

// fileProblem says what is wrong with an environment file, which is an object in Amazon S3 ("EnvironmentFile").
func fileProblem(member string, f types.EnvironmentFile) string {
	if problem := required(member+".type", f.Type); problem != "" {
		return problem
	}
	if value := aws.ToString(f.Value); !objectPattern.MatchString(value) {
		return fmt.Sprintf("%s.value should be the ARN of an object whose name ends in .env, such as arn:aws:s3:::bucket/file.env; got %.200q.",
			member, value)
	}
	return ""
}

// required is enumProblem for a member that has to be given.
func required[E enum[E]](member string, value E) string {
	if value == "" {
		return oneOf(member, value, value.Values())
	}
	return enumProblem(member, value)
}

func checkHealth(c container) string {
	h := c.HealthCheck
	if h == nil {
		return ""
	}
	if len(h.Command) == 0 {
		return c.invalid("healthCheck.command", "It should not be empty.")
	}
	if len(h.Command) == 1 && (h.Command[0] == "CMD" || h.Command[0] == "CMD-SHELL") {
		return c.invalid("healthCheck.command", "A command should follow %s.", h.Command[0])
	}
	return ""
}

func checkRestart(c container) string {
	if c.RestartPolicy != nil && c.RestartPolicy.Enabled == nil {
		return c.invalid("restartPolicy.enabled", "It should be given: true or false.")
	}
	return ""
}

func checkUlimits(c container) string {
	for i, u := range c.Ulimits {
		if problem := required(fmt.Sprintf("ulimits[%d].name", i), u.Name); problem != "" {
			return c.invalid("ulimits", "%s", problem)
		}
		if unlimited := u.HardLimit < 0; !unlimited && (u.SoftLimit > u.HardLimit || u.SoftLimit < 0) {
			return c.invalid("ulimits", "The softLimit of %s should not be greater than its hardLimit (a negative one is no limit), got %d and %d.",
				u.Name, u.SoftLimit, u.HardLimit)
		}
	}
	return ""
}

// checkLog checks logConfiguration ("LogConfiguration").
func checkLog(c container) string {
	log := c.LogConfiguration
	if log == nil {
		return ""
	}
	if problem := required("logConfiguration.logDriver", log.LogDriver); problem != "" {
		return fmt.Sprintf("Invalid setting for container '%s'. %s", c.label(), problem)
	}
	if log.LogDriver != types.LogDriverAwslogs {
		return ""
	}
	for _, option := range []string{"awslogs-group", "awslogs-region"} {
		if log.Options[option] == "" {
			return fmt.Sprintf("Log driver awslogs requires options: %s. It is missing in logConfiguration.options of container '%s'.", option, c.label())
		}
	}
	if _, err := logModel(log).AWSLogs(); err != nil {
		return fmt.Sprintf("Invalid 'options' setting in logConfiguration of container '%s': %s.", c.label(), err)
	}
	return ""
}

// allGPUs asks for all GPUs of a machine ("ResourceRequirement").
const allGPUs = "ALL"

func checkGPU(c container) string {
	for i, r := range c.ResourceRequirements {
		_, ok := gpus(r)
		switch {
		case r.Type != types.ResourceTypeGpu:
		case r.Value != nil && r.SharingStrategy != nil:
			return c.invalid("resourceRequirements", "resourceRequirements[%d] has value and sharingStrategy; only one of them can be given.", i)
		case !ok && r.SharingStrategy == nil && aws.ToString(r.Value) != allGPUs:
			return c.invalid("resourceRequirements", "resourceRequirements[%d].value should be a number of GPUs, at least 1, or %s; got %.100q.",
				i, allGPUs, aws.ToString(r.Value))
		}
	}
	return ""
}

func gpus(r types.ResourceRequirement) (int, bool) {
	n, err := strconv.Atoi(aws.ToString(r.Value))
	return n, err == nil && n > 0 && n <= math.MaxInt16
}
