"""HTML doors of credentials 证照页面: the wallet, showing (also without network), the verifier's window, the hall's desk, the back office."""

from __future__ import annotations

from typing import Any

from tongban import ui
from tongban.credentials.pages import (
    desk,
    file_check,
    licences,
    office,
    offline,
    papers,
    records,
    show,
    types,
    verifiers,
    verify,
    wallet,
)

routes: list[Any] = [*wallet.routes, *records.routes, *show.routes, *verify.routes, *desk.routes, *office.routes, *file_check.routes, *licences.routes, *types.routes, *papers.routes, *offline.routes, *verifiers.routes]

ROUTES: list[ui.Route] = [
    ui.Route("/wallet", "/wallet", who=("citizen",)),
    ui.Route("/wallet/{card_id:uuid}", who=("citizen",), fixture="a card in the wallet"),
    ui.Route("/wallet/{card_id:uuid}/show", who=("citizen",), fixture="a card in the wallet"),
    ui.Route("/wallet/{card_id:uuid}/records", who=("citizen",), fixture="a card in the wallet"),
    ui.Route("/wallet/{card_id:uuid}/offline", who=("citizen",), fixture="a card in the wallet"),
    ui.Route("/wallet/offline", "/wallet/offline"),
    ui.Route("/verify/offline", "/verify/offline"),
    ui.Route("/verify", "/verify", who=("nobody", "verifier")),
    ui.Route("/verify/register", "/verify/register", who=("nobody",)),
    ui.Route("/verify/purpose", "/verify/purpose", who=("verifier",), fixture="a registered window"),
    ui.Route("/verify/paper/{order_id:uuid}", who=("nobody",), fixture="a printed paper"),
    ui.Route("/desk/prints", "/desk/prints", who=("staff",)),
    ui.Route("/desk/prints/{job_id:uuid}", who=("staff",), fixture="an order at a hall"),
    ui.Route("/desk/prints/{job_id:uuid}/paper", who=("staff",), fixture="a printed order"),
    ui.Route("/staff/verifiers", "/staff/verifiers", who=("staff",)),
    ui.Route("/staff/verifiers/reports", "/staff/verifiers/reports", who=("staff",)),
    ui.Route("/staff/credentials", "/staff/credentials", who=("staff",)),
    ui.Route("/staff/credentials/{credential_id:uuid}", who=("staff",), fixture="an issued credential"),
    ui.Route("/staff/credentials/{credential_id:uuid}/{operation:str}", who=("staff",), fixture="an issued credential"),
    ui.Route("/staff/licences/new", "/staff/licences/new", who=("staff",)),
    ui.Route("/staff/licences/check", "/staff/licences/check", who=("staff",)),
    ui.Route("/staff/licence-types", "/staff/licence-types", who=("staff",)),
    ui.Route("/staff/licence-types/{code:str}", "/staff/licence-types/11990000TB0000001E007", who=("staff",)),
    ui.Route("/staff/status-lists", "/staff/status-lists", who=("staff",)),
    ui.Route("/wallet/{card_id:uuid}/history", who=("citizen",), fixture="a card in the wallet"),
]
