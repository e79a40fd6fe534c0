# A service behind a load balancer that follows its requests, works harder in the office hours, and tells when its
# answers are slow. Against maitred:
#
#   make up                             # in another terminal
#   eval "$(bin/maitred env)"           # says where AWS is: the provider needs nothing else
#   terraform -chdir=examples/terraform init
#   terraform -chdir=examples/terraform apply

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {}

variable "image" {
  description = "What the tasks run. Without it: what the example of `maitred up` runs."
  type        = string
  default     = ""
}

variable "desired_count" {
  description = "How many tasks there are until scaling has another opinion."
  type        = number
  default     = 2
}

variable "requests_per_task" {
  description = "Requests a minute that each task shall have."
  type        = number
  default     = 600
}

variable "port" {
  description = "Where the load balancer listens."
  type        = number
  default     = 8090
}

data "aws_ecs_container_definition" "example" {
  count           = var.image == "" ? 1 : 0
  task_definition = "web"
  container_name  = "web"
}

data "aws_vpc" "this" {
  default = true
}

data "aws_subnets" "this" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
}

locals {
  image = var.image == "" ? data.aws_ecs_container_definition.example[0].image : var.image
}

resource "aws_ecs_cluster" "this" {
  name = "terraform"
}

resource "aws_ecs_task_definition" "this" {
  family = "terraform"
  container_definitions = jsonencode([{
    name         = "web"
    image        = local.image
    cpu          = 64
    memory       = 32
    portMappings = [{ containerPort = 8080 }]
  }])
}

resource "aws_lb" "this" {
  name               = "terraform"
  load_balancer_type = "application"
  subnets            = data.aws_subnets.this.ids

  tags = { made-by = "terraform" }
}

resource "aws_lb_target_group" "this" {
  name                 = "terraform"
  port                 = 80
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = data.aws_vpc.this.id
  deregistration_delay = 5

  health_check {
    path = "/healthz"
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = var.port
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_lb_listener_rule" "gone" {
  listener_arn = aws_lb_listener.this.arn
  priority     = 1

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "gone"
      status_code  = "410"
    }
  }

  condition {
    path_pattern {
      values = ["/old/*"]
    }
  }
}

resource "aws_ecs_service" "this" {
  name                  = "terraform"
  cluster               = aws_ecs_cluster.this.id
  task_definition       = aws_ecs_task_definition.this.arn
  desired_count         = var.desired_count
  wait_for_steady_state = true
  propagate_tags        = "SERVICE"

  tags = { "maitred:scaling" = "fast" } # looked at each second, where AWS needs minutes

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "web"
    container_port   = 8080
  }

  depends_on = [aws_lb_listener.this]

  lifecycle {
    ignore_changes = [desired_count] # it is the scaling's from now on
  }
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this.name}"
  min_capacity       = 1
  max_capacity       = 6

  tags = { made-by = "terraform" }
}

resource "aws_appautoscaling_policy" "requests" {
  name               = "requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value = var.requests_per_task

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.this.arn_suffix}"
    }
  }
}

resource "aws_appautoscaling_policy" "slow" {
  name               = "slow"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    cooldown                = 60
    metric_aggregation_type = "Average"

    step_adjustment {
      metric_interval_lower_bound = 0
      metric_interval_upper_bound = 1
      scaling_adjustment          = 1
    }

    step_adjustment {
      metric_interval_lower_bound = 1
      scaling_adjustment          = 2
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "morning" {
  name               = "morning"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id
  schedule           = "cron(0 8 ? * MON-FRI *)"
  timezone           = "Europe/Berlin"

  scalable_target_action {
    min_capacity = 3
    max_capacity = 6
  }
}

resource "aws_cloudwatch_metric_alarm" "slow" {
  alarm_name          = "terraform-slow"
  alarm_description   = "Answers take longer than half a second."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  statistic           = "Average"
  period              = 60
  evaluation_periods  = 2
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0.5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.slow.arn]

  dimensions = {
    LoadBalancer = aws_lb.this.arn_suffix
    TargetGroup  = aws_lb_target_group.this.arn_suffix
  }

  tags = { made-by = "terraform" }
}

output "url" {
  value = "http://${aws_lb.this.dns_name}:${var.port}/"
}
