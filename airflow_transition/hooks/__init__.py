"""Each hook speaks to one outside system."""
