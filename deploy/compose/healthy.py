"""`healthy.py URL` exits 0 if it answers; `healthy.py URL NAME`: and calls that service healthy."""

import json
import sys
import urllib.request

url, *names = sys.argv[1:]
with urllib.request.urlopen(url, timeout=5) as answer:
    told = json.load(answer) if names else {}
sick = [name for name in names if told[name]["status"] != "healthy"]
sys.exit(f"not healthy: {', '.join(sick)}" if sick else 0)
