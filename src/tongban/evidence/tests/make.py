"""Builders of this room's tests: an S3-compatible store and a clamd on loopback, invented files, an ended case's dossier."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from aiohttp import web
from PIL import Image

from tongban import evidence, ui
from tongban.kernel.actor import Actor
from tongban.kernel.ids import uuid7

ME = "n1" + "a" * 32  # 演示人
BAD = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def person(subject: str = ME) -> Actor:
    return Actor(kind="citizen", subject=subject, acr=2, sid="s")


def picture(shade: int = 200) -> bytes:
    box = io.BytesIO()
    Image.new("RGB", (60, 80), (shade,) * 3).save(box, "JPEG")
    return box.getvalue()


def pdf(inside: bytes = b"") -> bytes:
    return b"%PDF-1.7\n" + inside + b"\n%%EOF\n"


def ofd() -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as made:
        made.writestr("OFD.xml", "<OFD/>")
    return box.getvalue()


def sent(data: bytes, name: str = "照片.jpg", claimed: str = "image/jpeg") -> ui.Upload:
    return ui.Upload(name, claimed, data)


async def whole(given: Any) -> bytes:
    """All pieces of what is given."""
    found = b"".join([piece async for piece in given.pieces])
    assert len(found) == given.byte_count
    return found


def dossier(enclosed: tuple[evidence.Enclosed, ...] = (), steps: tuple[evidence.Step, ...] = (), **more: Any) -> evidence.Dossier:
    """An ended case, invented, whose parts agree with each other."""
    case = uuid7()
    about = {
        "id": case, "number": "5001032026111800000017", "decided": "granted", "steps": len(steps),
        "materials": {one.code: 1 for one in enclosed if one.role == "material"}, "documents": sum(1 for one in enclosed if one.role == "document"),
    }  # fmt: skip
    history = [{"n": one.n, "leaf": one.leaf, "act": one.act, "title": one.title} for one in steps]
    return evidence.Dossier(**{
        "subject": ME, "case": case, "number": about["number"], "item_name": "老年人优待证办理（演示）", "org_code": "11500103MB0DEM02X1",
        "organisation": "渝中区民政局（演示）", "division": "500103", "ended_on": date(2026, 9, 1),
        "pieces": (
            evidence.Piece("metadata", "办件信息", "metadata.json", "application/json", msgspec.json.encode(about)),
            evidence.Piece("application", "申请内容", "application.json", "application/json", msgspec.json.encode({"name": "演示人甲"})),
            evidence.Piece("history", "办理经过", "history.json", "application/json", msgspec.json.encode(history)),
        ),
        "enclosed": enclosed, "steps": steps, **more,
    })  # fmt: skip


class S3:
    """As much of S3 as a store needs, on loopback: put, put in parts, get, head, delete, list; `away` and `full` on demand."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.mood = ""
        self.signed = self.parts = 0
        self.begun: dict[str, dict[int, bytes]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        key = request.path.removeprefix("/files/").removeprefix("/files")
        self.signed += request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=demo/")
        if self.mood == "away":
            return web.Response(status=503)
        if request.method == "PUT":
            if self.mood == "full":
                return web.Response(status=507, text="<Error><Code>InsufficientStorage</Code></Error>")
            if "uploadId" in request.query:
                self.begun[request.query["uploadId"]][int(request.query["partNumber"])] = await request.read()
                self.parts += 1
            else:
                self.objects[key] = await request.read()
            return web.Response(headers={"ETag": '"1"'})
        if request.method == "POST" and "uploads" in request.query:
            self.begun[key.rpartition("/")[2]] = {}
            told = f"<InitiateMultipartUploadResult><Bucket>files</Bucket><Key>{key}</Key><UploadId>{key.rpartition('/')[2]}</UploadId></InitiateMultipartUploadResult>"
            return web.Response(text=told, content_type="application/xml")
        if request.method == "POST" and "uploadId" in request.query:
            self.objects[key] = b"".join(part for _, part in sorted(self.begun.pop(request.query["uploadId"]).items()))
            told = f'<CompleteMultipartUploadResult><Key>{key}</Key><ETag>"1"</ETag></CompleteMultipartUploadResult>'
            return web.Response(text=told, content_type="application/xml")
        if request.method == "DELETE" and "uploadId" in request.query:
            self.begun.pop(request.query["uploadId"], None)
            return web.Response(status=204)
        if request.method == "POST" and "delete" in request.query:
            names = re.findall(r"<Key>([^<]+)</Key>", (await request.read()).decode())
            for name in names:
                self.objects.pop(name, None)
            gone = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
            return web.Response(text=f'<?xml version="1.0"?><DeleteResult>{gone}</DeleteResult>', content_type="application/xml")
        if request.method == "GET" and "list-type" in request.query:
            prefix = request.query.get("prefix", "")
            items = "".join(
                f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>1</ETag><Size>{len(data)}</Size></Contents>"
                for name, data in self.objects.items() if name.startswith(prefix)
            )  # fmt: skip
            body = f'<?xml version="1.0"?><ListBucketResult><Name>files</Name><IsTruncated>false</IsTruncated>{items}</ListBucketResult>'
            return web.Response(text=body, content_type="application/xml")
        if key not in self.objects:
            return web.Response(status=204 if request.method == "DELETE" else 404)
        if request.method == "DELETE":
            del self.objects[key]
            return web.Response(status=204)
        whole, headers = self.objects[key], {"ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", "")):
            start, last = int(found[1]), min(int(found[2]), len(whole) - 1)
            headers["Content-Range"] = f"bytes {start}-{last}/{len(whole)}"
            return web.Response(status=206, body=whole[start : last + 1], headers=headers, content_type="application/octet-stream")
        return web.Response(body=whole, headers=headers, content_type="application/octet-stream")


@asynccontextmanager
async def s3() -> AsyncIterator[tuple[S3, str]]:
    """A running store and the setting that names it."""
    store = S3()
    app = web.Application(client_max_size=20_000_000)
    app.router.add_route("*", "/{tail:.*}", store.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield store, f"s3://files/node?endpoint=http://127.0.0.1:{port}&region=cn-demo"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def clamd(answer: bytes | None = None) -> AsyncIterator[str]:
    """A clamd on loopback that speaks INSTREAM; with `answer` it says that whatever comes, b"" hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
            content = b""
            while length := int.from_bytes(await reader.readexactly(4), "big"):
                content += await reader.readexactly(length)
            said = answer if answer is not None else (b"stream: Eicar-Signature FOUND\0" if b"EICAR" in content else b"stream: OK\0")
            writer.write(said)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"clamd://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
