"""The real servers of the lab: S3, OCI registry and Git, each a background process."""
