"""The sides of the image benchmarks, on a real S3 and a real registry with TLS and passwords."""
