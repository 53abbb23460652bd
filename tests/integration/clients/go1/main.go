// The AWS SDK for Go v1 as a client of mfad's endpoint: prints the ARN, or the error its user sees.
// usage: go1 ENDPOINT [verbose]
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sts"
)

func main() {
	config := aws.Config{
		Region:                        aws.String("us-east-1"),
		Endpoint:                      aws.String(os.Args[1]),
		CredentialsChainVerboseErrors: aws.Bool(len(os.Args) > 2),
	}
	shared, err := session.NewSession(&config)
	if err == nil {
		var answer *sts.GetCallerIdentityOutput
		answer, err = sts.New(shared).GetCallerIdentity(&sts.GetCallerIdentityInput{})
		if err == nil {
			fmt.Println(*answer.Arn)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
