"""Apache with `mod_auth_openidc` 2.4.12 against our provider: plain profile, ES256, rotation of keys under traffic, both logouts (R-302).

That version signs its own client assertion with RSA only, which is not offered here. A few lines beside it sign with the registered key, as a
sidecar would; everything else is Apache's: the request, PKCE, the answer, the ID token, the key set, userinfo, the logout tokens.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from litestar import Litestar, Request, get, post
from litestar.response import Response

from tongban.federation.tests.make import free_port
from tongban.identity.actions import keys
from tongban.identity.tests.make import Browser, citizen, sign_in
from tongban.identity.tests.make_clients import TestClient, register_client
from tongban.identity.tests.make_judges import absent, travel
from tongban.identity.tests.make_wire import Wire
from tongban.kernel.node import Node

APACHE, MODULES = Path("/usr/sbin/apache2"), Path("/usr/lib/apache2/modules")

CONFIG = """
ServerRoot {folder}
ServerName apache.localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
Mutex file:{folder}
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:warn
StartServers 1
MinSpareThreads 4
MaxSpareThreads 8
ThreadsPerChild 8
MaxRequestWorkers 8
User {user}
Group {group}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
DocumentRoot {folder}/www
UseCanonicalName Off
OIDCProviderMetadataURL {sidecar}/metadata
OIDCProviderTokenEndpointAuth none
OIDCProviderBackChannelLogoutSupported On
OIDCIDTokenSignedResponseAlg ES256
OIDCClientID {client}
OIDCScope "openid profile"
OIDCPKCEMethod S256
OIDCResponseType code
OIDCRedirectURI {base}/callback
OIDCCryptoPassphrase {secret}
OIDCCacheType shm
OIDCCookieSameSite On
OIDCRemoteUserClaim sub
OIDCSessionType server-cache
OIDCStateMaxNumberOfCookies 10 true
<Location />
  Require all granted
</Location>
<Location /inside>
  AuthType openid-connect
  Require valid-user
  Header set X-Sub "expr=%{{REMOTE_USER}}"
</Location>
<Location /callback>
  AuthType openid-connect
  Require valid-user
</Location>
"""


class Apache:
    """The server as it runs."""

    def __init__(self, base: str, app: TestClient, log: Path) -> None:
        self.base, self.app, self.log = base, app, log


def sidecar(wire_of: Any, own: str) -> Litestar:
    """Signs the token request of a client whose software cannot; the description it hands on names itself as token endpoint."""

    @post("/token", status_code=200)
    async def token(request: Request[Any, Any, Any]) -> Response[Any]:
        form = dict(parse_qsl((await request.body()).decode()))
        form.pop("client_id", None)
        told = await wire_of().post("/oidc/token", form)
        return Response(told.json, status_code=told.status, media_type="application/json")

    @get("/metadata")
    async def metadata() -> dict[str, Any]:
        wire = wire_of()
        _, _, body = await wire.node.http.request("GET", wire.base + "/.well-known/openid-configuration")
        return {**json.loads(body), "token_endpoint": own + "/token"}

    return Litestar([token, metadata], openapi_config=None, logging_config=None)


@pytest.fixture(scope="module")
async def apache(home: Node, serve: Any) -> AsyncIterator[Apache]:
    if not APACHE.is_file() or not (MODULES / "mod_auth_openidc.so").is_file():
        absent("Apache with mod_auth_openidc")
    folder = Path(tempfile.mkdtemp(prefix="tongban-apache-"))
    folder.chmod(0o777)  # started by root it drops to its own user, who must reach and write it
    (folder / "www" / "inside").mkdir(parents=True)
    (folder / "www" / "inside" / "index.html").write_text("inside")
    (folder / "www" / "index.html").write_text("outside")
    port, other = free_port(), free_port()
    base = f"http://apache.localhost:{port}"
    app = await register_client(
        home, kind="outside", redirect_uris=(base + "/callback",), post_logout_uris=(base + "/",), backchannel_uri=base + "/callback?logout=backchannel",
    )  # fmt: skip
    wire = Wire(home, app, base + "/callback")
    root = os.getuid() == 0
    (folder / "httpd.conf").write_text(CONFIG.format(
        folder=folder, port=port, modules=MODULES, sidecar=f"http://side.localhost:{other}", client=app.id, base=base,
        secret="demo-passphrase-of-a-test", user="www-data" if root else f"#{os.getuid()}", group="www-data" if root else f"#{os.getgid()}",
    ))  # fmt: skip
    async with serve(sidecar(lambda: wire, f"http://side.localhost:{other}"), other):
        process = await asyncio.create_subprocess_exec(str(APACHE), "-X", "-f", str(folder / "httpd.conf"), start_new_session=True)
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert process.returncode is None, "Apache did not start"
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield Apache(base, app, folder / "error.log")
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
    shutil.rmtree(folder, ignore_errors=True)


async def enter(apache: Apache, home: Node, browser: Browser) -> Any:
    page = await browser.get(home, apache.base + "/inside/")
    return await travel(browser, home, page.url) if page.url.startswith(home.settings.base_url) else page


async def test_sign_in(apache: Apache, home: Node) -> None:
    """oidcc-server as Apache sees it: in by our sign-in, the remote user is the pairwise subject."""
    browser = Browser()
    await sign_in(browser, home, citizen("陈晓雨"))
    page = await enter(apache, home, browser)
    assert (page.status, page.url) == (200, apache.base + "/inside/"), (page.url, page.body[-500:], apache.log.read_text()[-1500:])
    assert page.body == "inside"
    assert not page.headers["x-sub"].startswith("n1")


async def test_answer_of_another_issuer_is_refused(apache: Apache, home: Node) -> None:
    """The judge can say no: a made-up state and code."""
    page = await Browser().get(home, apache.base + "/callback?" + urlencode({"code": "x", "state": "y", "iss": "https://evil.example"}))
    assert page.body != "inside"
    assert page.status >= 400 or page.path == "/"


async def test_rotation_of_keys_under_traffic(apache: Apache, home: Node) -> None:
    """New keys between two sign-ins: Apache fetches the set again by itself; nobody fails."""
    for turn in range(4):
        browser = Browser()
        await sign_in(browser, home, citizen("何志远"))
        if turn in (1, 2):
            async with home.db.transaction() as tx:
                await keys.rotate(tx, home, at_once=True)
        page = await enter(apache, home, browser)
        assert page.body == "inside", (turn, apache.log.read_text()[-1500:])


async def test_rp_initiated_logout(apache: Apache, home: Node) -> None:
    """Apache's own logout link ends its session and sends the person to ours with its hint; back to where it registered."""
    browser = Browser()
    await sign_in(browser, home, citizen("刘建国"))
    await enter(apache, home, browser)
    page = await browser.get(home, apache.base + "/callback?" + urlencode({"logout": apache.base + "/"}))
    assert page.path == "/oidc/logout", page.body
    page = await browser.submit(home, page, "/oidc/logout/confirm", choice="yes")
    assert page.url.split("?")[0] == apache.base + "/"
    page = await browser.get(home, apache.base + "/inside/")
    assert page.path == "/login"


async def test_backchannel_logout(apache: Apache, home: Node) -> None:
    """oidcc-backchannel-rp-initiated-logout as Apache sees it: signing out of all devices at the node ends the session there."""
    browser = Browser()
    await sign_in(browser, home, citizen("罗桂兰"))
    await enter(apache, home, browser)
    page = await browser.get(home, "/me/devices")
    await browser.submit(home, page, "/me/devices/leave-all")
    for _ in range(50):
        page = await browser.get(home, apache.base + "/inside/")
        if page.path != "/inside/":
            return
        await asyncio.sleep(0.1)
    raise AssertionError("still signed in at Apache after 5 s: " + apache.log.read_text()[-1500:])
