"""The sample application and its manifests."""
