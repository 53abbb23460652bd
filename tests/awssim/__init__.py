"""awssim: AWS's STS and the few IAM calls that mfad needs, on loopback, as strict as AWS where it counts.

It checks every signature, date, key and MFA code, answers in AWS's exact XML, does faults on request
and keeps a log of what arrived. Debian's python3, python3-botocore and python3-cryptography suffice.
"""
