"""数据共享 (exchange): asking another office for what it already knows, under a grant, written down at both ends (R-401, R-402, R-406).

Nouns: **resource** 数据资源 (one entry of the catalogue every node has), **demand** 共享需求, **grant** 共享授权, **fetch** 取用,
**message** 交换日志, **correction** 纠错. A call goes out signed (`federation.call exchange.get`); the owner checks grant, quota,
consent and gives only granted fields; both ends write the same ledger line and log digests that a job compares. An owner that
is away is a value, never an error: the field becomes typed, marked 待核验.

    got = await exchange.fetch(node, actor, resource="mps.population", key_subject=subject,
                               fields=("name", "address"), purpose="case.prefill", case=case_id)
    if isinstance(got, exchange.Fetched): got.values["address"], got.source, got.at

    found = await exchange.definition(tx, "510000.marriage")      # what may be asked now, or None
    async for rows in exchange.parts(node, actor, resource="samr.company_list", …): …      # a list, part by part
    async for rows in exchange.stream(node, actor, resource="samr.company_list", …): …     # the same as one stream
    async for piece in exchange.carry_file(node, owner, "evidence.content", {"address": …}, most=…): …  # a file
"""

from tongban import identity
from tongban.exchange.actions import (
    File,
    FileCut,
    Wanted,
    approve,
    ask,
    ask_correction,
    carry_file,
    decide,
    dispute,
    draft_resource,
    end,
    fetch,
    give_file,
    judge,
    parts,
    permitted,
    propose,
    publish_resource,
    refuse,
    review,
    seed_licences,
    set_up,
    stream,
    suspend_resource,
    withdraw_resource,
)
from tongban.exchange.model import (
    CLASS_WORDS,
    LICENCE_USE,
    DataUse,
    Demand,
    Fetched,
    Field,
    Gathered,
    Grant,
    Listed,
    Permitted,
    Refused,
    Resource,
    Unavailable,
    Use,
)
from tongban.exchange.queries import (
    data_use,
    definition,
    demand,
    grant,
    grants,
    held_grants,
    listed,
    resource,
    resources,
    whole,
)

# sealed under their own ids: a new document number moves the pseudonym and nothing else
identity.follow_rows("data_correction", "demo_record", "consent_withdrawal_told", "use_complaint")

__all__ = [
    "CLASS_WORDS",
    "LICENCE_USE",
    "DataUse",
    "Demand",
    "Fetched",
    "Field",
    "File",
    "FileCut",
    "Gathered",
    "Grant",
    "Listed",
    "Permitted",
    "Refused",
    "Resource",
    "Unavailable",
    "Use",
    "Wanted",
    "approve",
    "ask",
    "ask_correction",
    "carry_file",
    "data_use",
    "decide",
    "definition",
    "demand",
    "dispute",
    "draft_resource",
    "end",
    "fetch",
    "give_file",
    "grant",
    "grants",
    "held_grants",
    "judge",
    "listed",
    "parts",
    "permitted",
    "propose",
    "publish_resource",
    "refuse",
    "resource",
    "resources",
    "review",
    "seed_licences",
    "set_up",
    "stream",
    "suspend_resource",
    "whole",
    "withdraw_resource",
]
