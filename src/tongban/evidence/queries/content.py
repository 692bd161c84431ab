"""The node's content store (内容库), as the settings name it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tongban.evidence.providers import ContentStore, Scanner
from tongban.evidence.providers.local import LocalContent
from tongban.evidence.providers.s3 import S3Content
from tongban.evidence.providers.scan import scanner_for
from tongban.kernel.node import Node


def content_store(node: Node) -> ContentStore:
    """Where this node keeps ciphertext (内容库): the folder `evidence` of its data, or the S3-compatible store of its settings."""
    return _store(node.settings.evidence_store, node.settings.data_dir / "evidence")


def scanner(node: Node) -> Scanner | None:
    """Who looks into files here (扫描服务); None when the settings name nobody."""
    return _scanner(node.settings.scanner, node.settings.demo)


@lru_cache(maxsize=64)
def _store(url: str, folder: Path) -> ContentStore:
    return S3Content(url, folder / "arriving") if url else LocalContent(folder)


@lru_cache(maxsize=16)
def _scanner(setting: str, demo: bool) -> Scanner | None:
    return scanner_for(setting, demo=demo)
