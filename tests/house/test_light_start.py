"""What a node reads in before it serves 启动读入: a library for rare work waits until that work comes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tongban.main.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2] / "src" / "tongban"

HEAVY = {
    "webauthn": "a passkey is bound or asked",
    "rjieba": "something is searched, or an item enters the index",
}
"""What costs more than a twentieth of a second to read in, and when it is needed."""


def test_a_node_that_starts_reads_in_nothing_heavy_that_only_rare_work_needs():
    program = (
        "import sys, tongban.main.app, tongban.main.set_up, tongban.main.tasks; from tongban.main import rooms;"
        "rooms.routes(), rooms.letters(), rooms.calls(), rooms.holdings(), rooms.clocks(), rooms.job_handlers();"
        "print(*sys.modules)"
    )
    read_in = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "tongban.identity.actions.passkey" in read_in  # the rooms are there
    assert "tongban.search.rules.text" in read_in
    assert {one: HEAVY[one] for one in HEAVY if one in read_in} == {}


FIRST_PASSKEY = """
import asyncio, sys, threading

class Seen:
    where = []

    def find_spec(self, name, path=None, target=None):
        if name == "webauthn":
            self.where.append(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Seen())
from tongban.identity.actions import passkey
assert not Seen.where
asyncio.run(WHAT)
print(Seen.where)
"""


@pytest.mark.parametrize("what", ['passkey.answered(None, None, "{}")', 'passkey.bind(None, None, Named(), "{}", "", "")'])
def test_the_library_of_the_first_passkey_is_read_in_beside_the_loop(what):
    """A fifteenth of a second in which nobody else's request would go on."""
    program = FIRST_PASSKEY.replace("WHAT", what.replace("Named()", "type('Session', (), {'id': '1'})()"))
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert told == "[False]\n"


def test_the_door_of_passkeys_reads_the_library_in_before_it_asks():
    door = (ROOT / "identity" / "pages" / "login.py").read_text("utf-8")
    assert door.count("passkey.asking_options(") == 1
    assert door.index("await passkey.read_in()") < door.index("passkey.asking_options(")


def test_no_room_reads_a_file_with_the_yaml_parser_that_is_written_in_python():
    """`yaml.safe_load` takes ten times as long as `msgspec.yaml.decode`, which has libyaml do it."""
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "tests" not in path.parts]
    assert len(files) > 100
    assert [str(path.relative_to(ROOT)) for path in files if "yaml.safe_load(" in path.read_text("utf-8")] == []
