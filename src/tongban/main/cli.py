"""The command line 命令行: `tongban --help` tells a stranger what there is."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop

from tongban import __version__
from tongban.kernel import settings as node_settings
from tongban.kernel.settings import Settings, SettingsError

app = typer.Typer(
    help="tongban 通办: a government-services platform, one node or a nation of them.", no_args_is_help=True, add_completion=False
)
demo_app = typer.Typer(
    help="Five nodes on this computer: a hub, two ministries, 重庆 and 四川, with invented people.", invoke_without_command=True
)
staff_app = typer.Typer(help="The first members of staff of a node; all others are invited in the back office.", no_args_is_help=True)
log_app = typer.Typer(help="The append-only log of what a node did.", no_args_is_help=True)
node_app = typer.Typer(help="Run one node, or say what happened to it.", invoke_without_command=True)
app.add_typer(demo_app, name="demo")
app.add_typer(node_app, name="node")
app.add_typer(log_app, name="log")
app.add_typer(staff_app, name="staff")
keys_app = typer.Typer(help="Keys of a node: those that tokens are signed with, data keys, and the device they are kept by.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

DEMO_FOLDER = node_settings.CODE_ROOT / ".demo"
Folder = Annotated[Path, typer.Option("--folder", help="Where the demo keeps its data.")]
SettingsFile = Annotated[Path, typer.Option("--settings", "-s", help="The node's settings file (deploy/nodes/*.toml, or node.json of a demo node).")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tongban {__version__}")
        raise typer.Exit


@app.callback()
def root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    """Tongban 通办: a government-services platform, one node or a nation of them."""


@demo_app.callback()
def demo(
    context: typer.Context,
    folder: Folder = DEMO_FOLDER,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget all data of earlier runs first.")] = False,
    port: Annotated[int | None, typer.Option("--port", help="First of five ports, when 8100 to 8104 are taken.")] = None,
) -> None:
    """Run the demo nation until Ctrl-C. Prints addresses and people, then a line that begins with `ready`."""
    context.obj = folder
    if context.invoked_subcommand is not None:
        return
    from tongban.main.demo.run import run

    uvloop.run(run(folder, fresh=fresh, first_port=port))


@demo_app.command()
def stop(context: typer.Context, node: Annotated[str, typer.Argument(help="Node id, for example 510000.")]) -> None:
    """Stop one node of the running demo; it stays stopped until `start`."""
    _control(context, "stop", node)


@demo_app.command()
def start(context: typer.Context, node: Annotated[str, typer.Argument(help="Node id.")]) -> None:
    """Start a stopped node of the running demo."""
    _control(context, "start", node)


@demo_app.command()
def kill(context: typer.Context, node: Annotated[str, typer.Argument(help="Node id.")]) -> None:
    """Kill -9 one node of the running demo; it is started again at once."""
    _control(context, "kill", node)


def _control(context: typer.Context, verb: str, node: str) -> None:
    from tongban.main.demo import control

    folder: Path = context.obj
    try:
        answer = asyncio.run(control.ask(folder.resolve() / "control", verb, node))
    except control.ControlError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(answer)
    if not answer.endswith("done"):
        raise typer.Exit(1)


@node_app.callback()
def node(
    context: typer.Context,
    settings: Annotated[Path | None, typer.Option("--settings", "-s", help="Settings file, TOML.")] = None,
    settings_json: Annotated[Path | None, typer.Option("--settings-json", hidden=True)] = None,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the database to the newest revision first.")] = False,
) -> None:
    """Run one node until Ctrl-C or SIGTERM."""
    from tongban.main import serve

    if context.invoked_subcommand is not None:
        return
    if settings_json is not None:
        chosen = msgspec.json.decode(settings_json.read_bytes(), type=Settings, dec_hook=lambda _kind, value: Path(value))
    elif settings is not None:
        chosen = _load(settings)
    else:
        typer.echo("Give the node's settings: tongban node --settings deploy/nodes/510000.toml", err=True)
        raise typer.Exit(2)
    if migrate:
        from tongban.main import migrate as migrations

        migrations.upgrade(chosen.database_url)
    serve.run(chosen)


@node_app.command()
def restored(settings: SettingsFile) -> None:
    """Say that the node's database was put back from a backup, before the node is started again. Part of every restore.

    The node then brings its own letters home, opens a new epoch, and does nothing of legal effect until that is done.
    """
    from tongban.main import keeping

    raise typer.Exit(asyncio.run(keeping.restored(_load(settings))))


@node_app.command()
def trust(
    node_id: Annotated[str, typer.Argument(help="Node whose key is new.")],
    fingerprint: Annotated[str, typer.Argument(help="sm3:… of the new key, compared by telephone.")],
    settings: SettingsFile,
) -> None:
    """Believe a new key of another node that its old key does not vouch for."""
    from tongban.main import keeping

    raise typer.Exit(asyncio.run(keeping.trust(_load(settings), node_id, fingerprint)))


@node_app.command()
def renew(settings: SettingsFile) -> None:
    """New signing and encryption keys with new certificates now; the old ones are believed for 14 more days."""
    from tongban.main import keeping

    raise typer.Exit(asyncio.run(keeping.renew(_load(settings))))


@node_app.command("revoke-own-key")
def revoke_own_key(
    name: Annotated[str, typer.Argument(help="Name of the key, for example s1.")],
    settings: SettingsFile,
    reason: Annotated[str, typer.Option("--reason", help="A word: compromise, lost, superseded.")] = "compromise",
) -> None:
    """Revoke a signing key of this node with the key itself and tell every node; works without the hub. There is no way back."""
    from tongban.main import keeping

    raise typer.Exit(asyncio.run(keeping.revoke_own_key(_load(settings), name, reason)))


def _load(path: Path) -> Settings:
    try:
        return node_settings.load(path)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


@app.command()
def hub(
    settings: SettingsFile,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the database to the newest revision first.")] = False,
) -> None:
    """Make a node the hub of a nation, once: root, directory key, first directory. Prints the root's fingerprint."""
    from tongban.main import join as joining

    chosen = _load(settings)
    if migrate:
        from tongban.main import migrate as migrations

        migrations.upgrade(chosen.database_url)
    raise typer.Exit(asyncio.run(joining.make_hub(chosen)))


@app.command()
def join(
    hub_url: Annotated[str, typer.Argument(help="Address of the hub, for example https://hub.example.")],
    settings: SettingsFile,
    root: Annotated[str, typer.Option("--root", help="Fingerprint of the hub's root, handed over outside the network.")],
    code: Annotated[
        str, typer.Option("--code", help="Invitation code; asked for when not given.", prompt="Invitation code", hide_input=True)
    ],
    connect: Annotated[str, typer.Option("--connect", help="host:port of the hub when its name has no address.")] = "",
    seconds: Annotated[float, typer.Option("--seconds", help="How long to wait for the hub's officers.")] = 900,
) -> None:
    """Ask a hub for admission and wait for its second officer. The node itself must be running; run again to go on."""
    from tongban.main import join as joining

    raise typer.Exit(asyncio.run(joining.join(_load(settings), hub_url, connect, code, root, seconds)))


@app.command()
def tour(
    folder: Folder = DEMO_FOLDER,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")] = False,
    times: Annotated[int, typer.Option("--times", min=1, help="Run the story this many times.")] = 1,
) -> None:
    """Drive the whole story over HTTP against the running demo; stops with code 1 at the first thing that does not hold."""
    from tongban.main.demo.tour import run

    code = asyncio.run(run(folder.resolve(), as_json=json, times=times))
    raise typer.Exit(code)


@staff_app.command()
def invite(
    settings: SettingsFile,
    staff_no: Annotated[str, typer.Option("--staff-no", help="Number used at the desk, for example JD-01.")],
    name: Annotated[str, typer.Option("--name", help="Name as on the document.")],
    unit: Annotated[str, typer.Option("--unit", help="Unit and post in words; people see it in their ledger.")],
    division: Annotated[str, typer.Option("--division", help="GB/T 2260 code of the unit, 6 digits; 000000 at the hub and ministries.")],
    org: Annotated[str, typer.Option("--org", help="统一社会信用代码 of the unit; the node's own when not given.")] = "",
) -> None:
    """Invite an administrator of a node, until two have the role. Prints a joining code for /staff/join, good once for three days."""
    from tongban.main import staff as first

    raise typer.Exit(asyncio.run(first.invite(_load(settings), staff_no, name, unit, division, org)))


@app.command("metrics-key")
def metrics_key(settings: SettingsFile) -> None:
    """Print the bearer that opens /metrics of a node, for the file that Prometheus reads."""
    from tongban.main import staff as first

    raise typer.Exit(asyncio.run(first.show_metrics_key(_load(settings))))


@log_app.command()
def verify(
    settings: Annotated[Path | None, typer.Option("--settings", "-s", help="The node's settings file.")] = None,
    demo_node: Annotated[str, typer.Option("--demo", help="A node of the running demo instead, for example 510000.")] = "",
    folder: Folder = DEMO_FOLDER,
) -> None:
    """Recompute the log from its rows, compare ledger, readings and uses of seals with it, and name what was edited, deleted or put in. Exit code 1 then."""
    from tongban.main import check

    if settings is not None:
        chosen = _load(settings)
    elif demo_node:
        chosen = check.demo_settings(folder.resolve(), demo_node)
    else:
        typer.echo("Give --settings FILE, or --demo NODE for a node of the running demo.", err=True)
        raise typer.Exit(2)
    raise typer.Exit(asyncio.run(check.verify_log(chosen)))


@keys_app.command()
def seal(settings: SettingsFile) -> None:
    """Seal the key files by the device of the settings, once, when a node gets one. The node must be stopped."""
    from tongban.main import keeping

    raise typer.Exit(keeping.seal_keys(_load(settings)))


@keys_app.command()
def data(
    settings: SettingsFile,
    group: Annotated[str, typer.Option("--group", help="One key group; all when not given.")] = "",
) -> None:
    """Make new data keys now instead of after 90 days, and seal every row under them; can be repeated after an interruption."""
    from tongban.main import keeping

    raise typer.Exit(asyncio.run(keeping.rotate_data_keys(_load(settings), group)))


@keys_app.command()
def index(
    settings: SettingsFile,
    status: Annotated[bool, typer.Option("--status", help="Only say where it stands.")] = False,
) -> None:
    """Make a new index key now instead of after a year; the rows go over while the node works. Can be repeated after an interruption."""
    from tongban.main import keeping

    raise typer.Exit(asyncio.run(keeping.rotate_index_key(_load(settings), only_status=status)))


@keys_app.command()
def rotate(
    settings: Annotated[Path | None, typer.Option("--settings", "-s", help="The node's settings file.")] = None,
    demo_node: Annotated[str, typer.Option("--demo", help="A node of the running demo instead, for example 510000.")] = "",
    folder: Folder = DEMO_FOLDER,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="A key was stolen: take the old ones away this second; sign-ins under way fail.")
    ] = False,
) -> None:
    """Make new token keys now instead of after 90 days. They sign half a minute later; no sign-in fails."""
    from tongban.main import check

    if settings is not None:
        chosen = _load(settings)
    elif demo_node:
        chosen = check.demo_settings(folder.resolve(), demo_node)
    else:
        typer.echo("Give --settings FILE, or --demo NODE for a node of the running demo.", err=True)
        raise typer.Exit(2)
    raise typer.Exit(asyncio.run(check.rotate_keys(chosen, compromised=compromised)))


@app.command()
def check(
    settings: Annotated[Path | None, typer.Option("--settings", "-s", help="Also check this node's settings, database and keys.")] = None,
    items: Annotated[Path | None, typer.Option("--items", help="Folder of item definitions to check.")] = None,
) -> None:
    """Check that this computer can run a node: cryptography, fonts, item definitions; with --settings also that node."""
    from tongban.main import check as checks

    raise typer.Exit(asyncio.run(checks.run(_load(settings) if settings else None, items)))


def main() -> None:
    """Entry point; a broken pipe is no error of ours."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    app()


if __name__ == "__main__":
    main()
