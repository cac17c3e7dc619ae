"""Says which operations were never answered as they are meant to be: a description of errors alone proves little."""

import json
import sys

described, report = sys.argv[1:]
with open(described, encoding="utf-8") as file:
    paths = json.load(file)["paths"]
missing = {(method.upper(), path) for path, item in paths.items() for method in item if method != "parameters"}
with open(report, encoding="utf-8") as file:
    for line in file:
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for case, interaction in (recorder.get("interactions") or {}).items():
            asked, response = recorder["cases"][case]["value"], interaction["response"]
            if response and 200 <= response["status_code"] < 300:
                missing.discard((asked["method"], asked["path"]))
for method, path in sorted(missing):
    print(f"never answered well: {method} {path}", file=sys.stderr)
sys.exit(1 if missing else 0)
