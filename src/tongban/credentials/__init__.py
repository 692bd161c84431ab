"""电子证照 credentials: types, issue, status lists, wallet, 扫码亮证, verifiers, 异地互发 (R-403, R-404, R-410, R-508).

Guide: 建设指南 统一电子证照、扫码亮证; 国办发〔2022〕3号; GB/T 36901-36906; decisions D-4, D-6, D-9, D-14.
Nouns: CredentialType (data in items/credentials), Credential (at its issuer), Card (in a wallet), Presentation (`GZ1:`),
Verdict (what a verifier sees), Verifier, PrintOrder and PrintJob (a paper printed at another node's hall).

    kind = credentials.type_named(node, "营业执照")
    issued = await credentials.issue(tx, node, actor, type_code=kind.code, holder=holder, issuer=issuer, data=fields, case=case_id)
    cards = await credentials.of_holder(tx, node, subject)                  # the wallet at the home node
    shown = await credentials.present(tx, node, actor, card.id, "least")    # the QR text, 60 s
    verdict = await credentials.verify_presentation(node, text, browser)    # what /verify and /api/verify answer
"""

from tongban import identity
from tongban.credentials.actions import (
    cancel,
    issue,
    on_handed_over,
    order_print,
    present,
    renew,
    request,
    resume,
    revoke,
    set_up,
    suspend,
    verify_presentation,
)
from tongban.credentials.actions.at_home import at_home
from tongban.credentials.errors import TypeRefused
from tongban.credentials.model import (
    Browser,
    Card,
    Credential,
    CredentialType,
    Hall,
    Holder,
    HomeCard,
    HomeCards,
    Issuer,
    Presentation,
    PrintJob,
    PrintOrder,
    Purpose,
    Shown,
    StatusList,
    Verdict,
    Verifier,
    View,
)
from tongban.credentials.queries import credential, halls, of_case, of_holder, print_state, receipt_of, views
from tongban.credentials.queries.corrected import used_before
from tongban.credentials.queries.credentials import within
from tongban.credentials.queries.types import purposes, type_named, type_of, types

__all__ = [
    "Browser",
    "Card",
    "Credential",
    "CredentialType",
    "Hall",
    "Holder",
    "HomeCard",
    "HomeCards",
    "Issuer",
    "Presentation",
    "PrintJob",
    "PrintOrder",
    "Purpose",
    "Shown",
    "StatusList",
    "TypeRefused",
    "Verdict",
    "Verifier",
    "View",
    "at_home",
    "cancel",
    "credential",
    "halls",
    "issue",
    "of_case",
    "of_holder",
    "on_handed_over",
    "order_print",
    "present",
    "print_state",
    "purposes",
    "receipt_of",
    "renew",
    "request",
    "resume",
    "revoke",
    "set_up",
    "suspend",
    "type_named",
    "type_of",
    "types",
    "verify_presentation",
    "views",
    "within",
]

identity.on_correction(used_before)
identity.follow_rows(
    "credential", "credential_event", "credential_card", "credential_presentation", "credential_view", "credential_print_order",
    "credential_pickup", "credential_request",
)  # fmt: skip
