"""Run every bench and end with the list of their lines. Ends with 1 when one did not finish; `short` is said, not hidden."""

import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
lines, broken = [], False
for path in sorted(here.glob("[a-z]*.py")):
    if path.name == "all.py":
        continue
    print(f"--- {path.name}", flush=True)
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) as running:
        found = []
        for line in running.stdout or ():
            print(line, end="", flush=True)
            if line.startswith("bench ") and line.rstrip().endswith((" ok", " short")):
                found.append(line.rstrip())
    if running.returncode != 0 or not found:
        broken = True
        found.append(f"bench {path.stem.replace('_', '-')} did not finish")
    lines += found
print("\n" + "\n".join(lines))
sys.exit(broken)
