#!/usr/bin/python3
"""boto3 as many programs, one for each container URI: prints the ARN of each, or the error as its user sees it.

usage: boto_many.py ENDPOINT, with lines "URI REGION" on standard input; AWS_CONTAINER_AUTHORIZATION_TOKEN is set.
"""
import os
import sys

import boto3
from botocore.credentials import ContainerProvider

for line in sys.stdin.read().split('\n'):
    if not line:
        continue
    uri, region = line.split(' ')
    try:
        creds = ContainerProvider({**os.environ, 'AWS_CONTAINER_CREDENTIALS_FULL_URI': uri}).load()
        frozen = creds.get_frozen_credentials()
        sts = boto3.client('sts', endpoint_url=sys.argv[1], region_name=region, aws_access_key_id=frozen.access_key,
                           aws_secret_access_key=frozen.secret_key, aws_session_token=frozen.token)
        print(sts.get_caller_identity()['Arn'])
    except Exception as e:  # whatever it is, the user sees its text
        print('error:', str(e).replace('\n', ' '))
