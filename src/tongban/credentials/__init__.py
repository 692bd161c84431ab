"""电子证照 credentials: types, issue, status lists, wallet, 扫码亮证, verifiers, 异地互发 (R-403, R-404, R-410, R-508).

Guide: 建设指南 统一电子证照、扫码亮证; 国办发〔2022〕3号; GB/T 36901-36906; decisions D-4, D-6, D-9, D-14.
Nouns: CredentialType (data in items/credentials), Credential (at its issuer), Card (in a wallet), Presentation (`GZ1:`),
Verdict (what a verifier sees), Verifier, PrintOrder and PrintJob (a paper printed at another node's hall).

    kind = credentials.type_named(node, "营业执照")
    issued = await credentials.issue(tx, node, actor, type_code=kind.code, holder=holder, issuer=issuer, data=fields, case=case_id)
    cards = await credentials.of_holder(tx, node, subject)                  # the wallet at the home node
    shown = await credentials.present(tx, node, actor, card.id, "least")    # the QR text, 60 s
    verdict = await credentials.verify_presentation(node, text, browser)    # what /verify and /api/verify answer
    found = await credentials.find_licences(node, actor, subject=subject, home=home, types=("驾驶证",), purpose=why)   # of every node
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
from tongban.credentials.actions.gathering import fetch_missing
from tongban.credentials.actions.share import on_need
from tongban.credentials.actions.use import (
    UsePurpose,
    check_file,
    copy_id,
    find_licences,
    licence_data,
    licence_file,
    licence_state,
    take_copy,
)
from tongban.credentials.actions.verify import decode_picture
from tongban.credentials.errors import BadPicture, TypeRefused
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
from tongban.credentials.model.sharing import (
    NO_GRANT,
    NO_PERMISSION,
    NOT_FOUND,
    NOT_NOW,
    CopyId,
    FoundLicence,
    LicenceCopy,
    LicenceData,
    LicenceFile,
    LicenceRefused,
    LicencesFound,
    LicenceState,
    Need,
)
from tongban.credentials.queries import credential, halls, of_case, of_holder, print_state, receipt_of, views
from tongban.credentials.queries.corrected import used_before
from tongban.credentials.queries.credentials import of_company, within
from tongban.credentials.queries.issued import of_company as issued_to_company
from tongban.credentials.queries.issued import of_subject as issued_to
from tongban.credentials.queries.types import check_library, purposes, type_named, type_of, types

__all__ = [
    "NOT_FOUND",
    "NOT_NOW",
    "NO_GRANT",
    "NO_PERMISSION",
    "BadPicture",
    "Browser",
    "Card",
    "CopyId",
    "Credential",
    "CredentialType",
    "FoundLicence",
    "Hall",
    "Holder",
    "HomeCard",
    "HomeCards",
    "Issuer",
    "LicenceCopy",
    "LicenceData",
    "LicenceFile",
    "LicenceRefused",
    "LicenceState",
    "LicencesFound",
    "Need",
    "Presentation",
    "PrintJob",
    "PrintOrder",
    "Purpose",
    "Shown",
    "StatusList",
    "TypeRefused",
    "UsePurpose",
    "Verdict",
    "Verifier",
    "View",
    "at_home",
    "cancel",
    "check_file",
    "check_library",
    "copy_id",
    "credential",
    "decode_picture",
    "fetch_missing",
    "find_licences",
    "halls",
    "issue",
    "issued_to",
    "issued_to_company",
    "licence_data",
    "licence_file",
    "licence_state",
    "of_case",
    "of_company",
    "of_holder",
    "on_handed_over",
    "on_need",
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
    "take_copy",
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
    "credential_pickup", "credential_request", "credential_offline", "credential_card_event", "credential_gathering", "credential_register_entry",
    "credential_use", "credential_file",
)  # fmt: skip
