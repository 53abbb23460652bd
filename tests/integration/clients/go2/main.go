// The AWS SDK for Go v2 as a client of mfad's endpoint: prints the ARN, or the error its user sees.
// usage: go2 ENDPOINT
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func endpoint(service, region string, options ...interface{}) (aws.Endpoint, error) {
	return aws.Endpoint{URL: os.Args[1], SigningRegion: region}, nil
}

func main() {
	shared, err := config.LoadDefaultConfig(context.Background(), config.WithRegion("us-east-1"),
		config.WithEndpointResolverWithOptions(aws.EndpointResolverWithOptionsFunc(endpoint)))
	if err == nil {
		var answer *sts.GetCallerIdentityOutput
		answer, err = sts.NewFromConfig(shared).GetCallerIdentity(context.Background(),
			&sts.GetCallerIdentityInput{})
		if err == nil {
			fmt.Println(*answer.Arn)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
