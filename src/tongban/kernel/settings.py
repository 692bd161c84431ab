"""Settings 配置: typed, documented, and an unknown key is an error."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

Doc = msgspec.Meta
CODE_ROOT = Path(__file__).resolve().parents[3]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node's settings (节点配置), read from a TOML file; `TONGBAN_<FIELD>` in the environment wins over the file."""

    node: Annotated[str, Doc(pattern="^[a-z0-9]{2,16}$", description="Node id, for example 510000 or mps.")]
    name: Annotated[str, Doc(description="Name shown to people, for example 四川省.")]
    role: Annotated[Literal["hub", "ministry", "province"], Doc(description="What only this node does (architecture.md 1).")]
    base_url: Annotated[str, Doc(description="Address people and nodes use, without a slash at the end.")]
    database_url: Annotated[str, Doc(description="PostgreSQL, asyncpg form: postgresql://user@host/name.")]
    data_dir: Annotated[Path, Doc(description="Folder for keys, files and the search index; backed up apart from the database.")]
    organisation: Annotated[str, Doc(description="统一社会信用代码 of the operator, 18 characters.")]
    divisions: Annotated[tuple[str, ...], Doc(description="GB/T 2260 prefixes this node answers for.")] = ()
    hub: Annotated[str, Doc(description="Node id of the hub this node trusts.")] = "cn"
    bind_host: Annotated[str, Doc(description="Address to listen on.")] = "127.0.0.1"
    bind_port: Annotated[int, Doc(description="Port to listen on.")] = 8100
    connect: Annotated[str, Doc(description="host:port other nodes connect to when the host of base_url has no address (demo).")] = ""
    items_dir: Annotated[Path, Doc(description="Folder of item definitions and reference data.")] = CODE_ROOT / "items"
    demo: Annotated[bool, Doc(description="Invented people, demo providers, plain http to .localhost. Never in production.")] = False
    pool_size: Annotated[int, Doc(ge=2, le=200, description="Database connections of one process.")] = 10
    login_per_hour: Annotated[int, Doc(ge=1, description="Sign-in transactions an hour from one address block (identity.md 8).")] = 60
    hub_away_seconds: Annotated[int, Doc(ge=1, description="Silence of the hub after which letters are pulled directly (federation.md 5.5).")] = 120
    head_statement_seconds: Annotated[int, Doc(ge=1, description="Time between head statements (federation.md 5.2).")] = 30
    unsigned_per_second: Annotated[int, Doc(ge=1, description="Unsigned or badly signed node requests a second from one address (federation.md 8).")] = 20
    open_door_per_second: Annotated[int, Doc(ge=1, description="Directory, enrolment, chain and snapshot requests a second from one address (federation.md 8).")] = 5
    evidence_store: Annotated[str, Doc(description="Where files lie: empty for a folder of data_dir, or s3://bucket/prefix?endpoint=…&region=… with keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")] = ""
    scanner: Annotated[str, Doc(description="Who looks into files handed in: clamd://host:port or clamd:///socket; empty for nobody (a demo node has a twin).")] = ""
    pkcs11_module: Annotated[str, Doc(description="PKCS#11 library of a device that keeps the keys (docs/operate/keys.md); empty: files of mode 0600.")] = ""
    pkcs11_token: Annotated[str, Doc(description="Label of the token in that device.")] = ""
    pkcs11_pin_file: Annotated[str, Doc(description="File of mode 0600 that holds the token's PIN.")] = ""
    pkcs11_sm2_mechanism: Annotated[int, Doc(ge=0, description="Number of the device's own SM2 signing mechanism; 0: it has none and SM2 keys are sealed by it.")] = 0
    log_json: Annotated[bool, Doc(description="Log as JSON lines; false for a person at a terminal.")] = True

    @property
    def host(self) -> str:
        """Host of `base_url` without the port: rp-id of passkeys, cookie host."""
        return self.base_url.split("://", 1)[1].split("/", 1)[0].split(":", 1)[0]


class SettingsError(Exception):
    """A settings file that cannot be used; the message names the file, the key and the mend."""


def load(path: Path) -> Settings:
    """Read a node's settings file (读配置): TOML, or the `node.json` a demo node is started with. Relative folders count from its folder.

    Raises SettingsError naming the file and what is wrong with it.
    """
    raw = _read(path)
    for field in msgspec.structs.fields(Settings):
        value = os.environ.get(f"TONGBAN_{field.name.upper()}")
        if value is not None:
            raw[field.name] = value
    for key in ("data_dir", "items_dir"):
        if key in raw:
            raw[key] = str((path.parent / str(raw[key])).resolve())
    try:
        return msgspec.convert(raw, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}. docs/operate/settings.md lists every key.") from None


def _read(path: Path) -> dict[str, object]:
    try:
        if path.suffix == ".json":
            return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}). Give the path of a node's settings file.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise SettingsError(f"{path}: not {kind} of a node's settings: {error}") from None


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
