"""Run every bench and end with the list of their lines."""

import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
lines = []
for path in sorted(here.glob("[a-z]*.py")):
    if path.name == "all.py":
        continue
    print(f"--- {path.name}", flush=True)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    found = [line for line in done.stdout.splitlines() if line.startswith("bench ")]
    if not found:
        sys.stdout.write(done.stderr[-2000:])
        found = [f"bench {path.stem.replace('_', '-')} did not finish"]
    lines += found
print("\n" + "\n".join(lines))
