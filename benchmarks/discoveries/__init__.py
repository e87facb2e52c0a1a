"""A generated cluster behind a small API server, and the process that discovers packages in it."""
