package wire

import (
	acm "github.com/aws/aws-sdk-go-v2/service/acm/types"
	cloudwatch "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs/document"
	ecs "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	sts "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// newCodec returns a codec that knows the unions and the document of the served
// APIs. The members of a union cannot be found by reflection, so they are listed.
func newCodec() *codec.Codec {
	return codec.New(
		// Some members are spelled otherwise than all others of their services.
		codec.Renamed[acm.Filters]("ExportOption", "exportOption"),
		codec.Renamed[acm.Filters]("ExtendedKeyUsage", "extendedKeyUsage"),
		codec.Renamed[acm.Filters]("KeyTypes", "keyTypes"),
		codec.Renamed[acm.Filters]("KeyUsage", "keyUsage"),
		codec.Renamed[acm.Filters]("ManagedBy", "managedBy"),
		codec.Renamed[cloudwatchlogs.DescribeDestinationsInput]("DestinationNamePrefix", "DestinationNamePrefix"),
		codec.Renamed[sts.PolicyDescriptorType]("Arn", "arn"),
		codec.Document(document.NewLazyDocument),
		codec.Union[ecs.DescribeGatewayConfiguration](&ecs.DescribeGatewayConfigurationMemberHostSharedAlb{}),
		codec.Union[ecs.GatewayConfiguration](&ecs.GatewayConfigurationMemberHostSharedAlb{}),
		codec.Union[ecs.GatewayConnectionResources](&ecs.GatewayConnectionResourcesMemberHostSharedAlb{}),
		codec.Union[ecs.GatewayElbAccessLogDestination](&ecs.GatewayElbAccessLogDestinationMemberS3{}),
		codec.Union[ecs.GatewayInfrastructureResources](&ecs.GatewayInfrastructureResourcesMemberHostSharedAlb{}),
		codec.Union[ecs.GatewayRouteResources](&ecs.GatewayRouteResourcesMemberHostSharedAlb{}),
		codec.Union[ecs.ServiceConnectContainerConfiguration](&ecs.ServiceConnectContainerConfigurationMemberLogLevel{}),
		codec.Union[ecs.SharingStrategy](&ecs.SharingStrategyMemberNvidiaMps{}),
		codec.Union[ecs.UpdateGatewayConfiguration](&ecs.UpdateGatewayConfigurationMemberHostSharedAlb{}),
		codec.Union[cloudwatch.EvaluationCriteria](&cloudwatch.EvaluationCriteriaMemberPromQLCriteria{}),
		codec.Union[cloudwatch.EvaluationWindow](
			&cloudwatch.EvaluationWindowMemberSlidingWindow{},
			&cloudwatch.EvaluationWindowMemberWallClockWindow{},
		),
		codec.Union[logs.IntegrationDetails](&logs.IntegrationDetailsMemberOpenSearchIntegrationDetails{}),
		codec.Union[logs.ResourceConfig](&logs.ResourceConfigMemberOpenSearchResourceConfig{}),
	)
}
