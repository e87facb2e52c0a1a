"""What the doctor's benchmark looks at."""
