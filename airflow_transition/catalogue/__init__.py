"""The catalogue: a fast index of what S3 and the receiver know, for people to look at."""
