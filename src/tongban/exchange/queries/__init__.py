"""Looking at 数据共享: the catalogue, grants and demands, message logs, and a person's ledger."""

from tongban.exchange.queries.catalogue import definition, listed, listed_now, resource, resources, versions, whole
from tongban.exchange.queries.complaints import complained, complaint, complaints, of_line
from tongban.exchange.queries.desk import (
    alarms,
    checked,
    correction,
    corrections,
    demand,
    demands,
    grant,
    grant_of,
    grants,
    held_grants,
    messages,
)
from tongban.exchange.queries.ledger import LATEST, data_use, own_lines, own_proof, proof

__all__ = [
    "LATEST",
    "alarms",
    "checked",
    "complained",
    "complaint",
    "complaints",
    "correction",
    "corrections",
    "data_use",
    "definition",
    "demand",
    "demands",
    "grant",
    "grant_of",
    "grants",
    "held_grants",
    "listed",
    "listed_now",
    "messages",
    "of_line",
    "own_lines",
    "own_proof",
    "proof",
    "resource",
    "resources",
    "versions",
    "whole",
]
