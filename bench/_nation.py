"""A nation for one bench: started fresh, ended with the bench; and a person of the story who signs in and has a licence."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import structlog

from tongban.main.demo.nation import ORDER, Nation, NationError
from tongban.main.demo.tour import apps, desk, licence, person
from tongban.main.demo.tour.story import Story, TourStop

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # the launcher's own lines; nodes write files


@asynccontextmanager
async def nation(
    port_base: int, *, nodes: tuple[str, ...] = ORDER, durable: bool = False, **overrides: int | str | bool
) -> AsyncIterator[Nation]:
    """The five nodes, or those named, in a folder of their own, gone afterwards. Says how busy the machine was."""
    folder = Path(tempfile.mkdtemp(prefix="tongban-bench-"))
    folder.chmod(0o755)
    made = Nation(folder, nodes=nodes, port_base=_free(port_base), durable=durable, say=lambda _line: None, overrides=overrides)
    started = time.monotonic()
    try:
        await made.start()
        print(f"nation ready in {time.monotonic() - started:.0f} s; {busy()}", flush=True)
        yield made
    except NationError:
        for log_file in sorted(folder.glob("*/node.log")):
            print(f"--- {log_file.parent.name}\n" + "\n".join(log_file.read_text("utf-8", "replace").splitlines()[-12:]))
        raise
    finally:
        await made.close()
        made.wipe()


def _free(first: int) -> int:
    """The first five free ports in a row from here on."""
    for base in range(first, 60_000, 10):
        with ExitStack() as taken:
            try:
                for port in range(base, base + 5):
                    taken.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise RuntimeError(f"no five free ports after {first}")


def busy() -> str:
    """The load of the machine beside the bench: a figure taken on a busy one says little."""
    one, _, _ = os.getloadavg()
    return f"load {one:.1f} on {os.cpu_count()} processors"


def story(made: Nation) -> Story:
    """The story on this nation, its people with browsers of their own."""
    return Story.of(made.folder)


async def published(one: Story) -> None:
    """企业开办 is published in 四川, and a new invented person of 重庆 found it and signed in."""
    await _take(one, (("0c", apps.withdraw), ("0c", apps.register_and_publish), ("1", person.find), ("2", person.sign_in)))


async def licensed(one: Story) -> None:
    """She applied, three officers decided, her licence is in her wallet."""
    await published(one)
    await _take(one, (("3", person.fill), ("4a", person.submit), ("4b", person.delivered), *desk.STEPS, ("6a", licence.in_wallet)))


async def form_pages(one: Story) -> list[str]:
    """A new draft of the same item, filled page by page; the addresses of its pages."""
    her = one.browser("her")
    await her.get(f"{one.home}/s/{one.kept['item']}")
    page = await her.submit(her.page.form(action="/apply"))
    pages: list[str] = []
    while not page.url.endswith("/check"):
        pages.append(page.url)
        form = next(found for found in page.forms if any(name == "_act" for name, _ in found.buttons))
        files = {name: ("材料（演示）.png", person.PICTURE, "image/png") for name in form.choices if name.startswith("material-")}
        page = await her.submit(form, person.answers(one, form), button=("_act", "next"), files=files)
        if page.status != 200 or page.url in pages:
            raise TourStop(f"the form stops at {page.url} ({page.status}): {page.text[:300]}")
    return pages


async def _take(one: Story, steps: tuple) -> None:
    for title, step in steps:
        started = time.perf_counter()
        await step(one)
        if "-v" in sys.argv:
            print(f"  {title} {time.perf_counter() - started:.2f} s", flush=True)


def cookies(one: Story) -> dict[str, str]:
    """Her cookies at 重庆."""
    return one.browser("her").cookies["500000.localhost"]
