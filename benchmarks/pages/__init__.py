"""What the benchmark `page` runs on."""
