"""Moving one process with a 1 GiB heap between the lab's clusters: our way and Podman's own."""
