"""The S3 client of tests that look into a bucket themselves."""

import boto3
from botocore.config import Config
from mypy_boto3_s3.client import S3Client

from lab.services.loopback import S3Endpoint


def s3_client(endpoint: S3Endpoint) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        verify=str(endpoint.ca_file),
        config=Config(s3={"addressing_style": "path"}),
    )
