"""Compares what a client stored with what the runner's agent opened: `opened.py STORED FETCHED`."""

import json
import sys

stored, fetched = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:3])
opened = {integration["id"]: integration.get("clientSecret") for integration in fetched["integrations"]}
if opened != stored:
    sys.exit(f"the agent opened other secrets than the client stored: ids {sorted(opened)} and {sorted(stored)}")
print(f"the agent opened {len(opened)} secrets")
