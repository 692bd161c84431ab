"""Turning the token keys under load: of 10,000 logins during which the keys turn, none may fail.

The keys are turned by the operator's command (`tongban keys rotate`; new ones sign half a minute later) five times while
people sign in to an app that checks every ID token with the keys the node publishes. Each key has signed before the next is
made, and people sign in until all six have, so a fast machine counts more logins than asked, never fewer.

    make bench-key-rotation
    python bench/key_rotation.py --logins 500
"""

import argparse
import asyncio
import random
import sys
import time

from _line import line
from _login import App, Crowd, Person, client_of, fill, opened, sign_in
from _nation import busy, nation

from tongban.identity import tokens
from tongban.identity.errors import TokenRefused

HOME, WORKERS, POOL, TURNS = "500000", 4, 500, 5
"""So many people that nobody asks for more codes in the hour than a demo node sends: 10,000 logins are twenty of each."""


class Keys:
    """The app's cache of the node's keys, fetched again for an unknown id, as its library would."""

    def __init__(self, app: App) -> None:
        self.app, self.known = app, []

    async def claims(self, token: str) -> dict:
        if tokens.kid_of(token) not in {one["kid"] for one in self.known}:
            async with self.app.http.get(self.app.base + "/oidc/jwks") as answer:
                self.known = (await answer.json())["keys"]
        return tokens.read(token, self.known, typ="JWT")


async def turn(made) -> None:
    """Turn the keys as an operator does, by the command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongban.main.cli", "keys", "rotate", "--demo", HOME, "--folder", str(made.folder),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(said.decode()[-400:])


async def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--logins", type=int, default=10_000)
    wanted = asked.parse_args().logins
    async with nation(20400, nodes=("cn", "mps", HOME), login_per_hour=10_000_000) as made, opened(made, HOME) as node:
        await fill(node, 2000)
        base, http = made.settings(HOME).base_url, node.http.session
        checked = [Keys(App(base, await client_of(node), http)) for _ in range(WORKERS)]  # one app alone may ask 50 times a second
        people = random.sample(range(2000), min(POOL, max(100, wanted // 20)))
        for at, index in enumerate(people):
            keys = checked[at % WORKERS]
            await keys.claims((await sign_in(keys.app, Person(base, http, []), index))["id_token"])
        done, failed, kids, started = [0], [], set(), time.perf_counter()

        async def one(keys: Keys, crowd: Crowd) -> None:
            while done[0] < wanted or (len(kids) <= TURNS and not failed):
                done[0] += 1
                try:
                    told = await crowd.sign_in(keys.app, [])
                    await keys.claims(told["id_token"])
                    kids.add(tokens.kid_of(told["id_token"]))
                except (RuntimeError, TokenRefused, OSError) as error:
                    failed.append(f"{type(error).__name__}: {error}"[:200])

        async def turning() -> None:
            for number in range(TURNS):
                while done[0] < wanted * (number + 1) // (TURNS + 1) or (len(kids) <= number and not failed):  # noqa: ASYNC110  the counter rings no bell
                    await asyncio.sleep(0.2)
                await turn(made)

        await asyncio.gather(turning(), *(one(keys, Crowd(people[at::WORKERS])) for at, keys in enumerate(checked)))
        print(f"{done[0]} logins in {time.perf_counter() - started:.0f} s, keys turned {TURNS} times, {len(kids)} signed; {busy()}")
        for one_failure in failed[:3]:
            print(one_failure)
        print(line("key-rotation", len(failed), "failed-logins", len(failed) / max(1, done[0]), "0-failed", 0.0, at_most=True))


asyncio.run(main())
