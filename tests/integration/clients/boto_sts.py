#!/usr/bin/python3
"""boto3 as a client of mfad's endpoint: prints the ARN, or the error as its user sees it.

usage: boto_sts.py ENDPOINT
"""
import sys

import boto3

try:
    print(boto3.client('sts', endpoint_url=sys.argv[1]).get_caller_identity()['Arn'])
except Exception as e:  # whatever it is, the user sees its text
    print(e, file=sys.stderr)
    sys.exit(1)
