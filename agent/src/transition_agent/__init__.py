"""Node agent: uploads checkpoint archives to S3, each exactly once and checked."""

__version__ = "0.1.0"
