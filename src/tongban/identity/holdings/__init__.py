"""What identity keeps of people 身份的个人信息清单, table by table (R-409, R-804, privacy.md 4, 7): how it is copied, erased, how long it stays.

In this order things are erased: sessions end first and tell whoever must know, mandates end with their letters, disputes are
taken back, and the account and the person go last, since the others are found through them.
"""

from __future__ import annotations

from tongban.identity.holdings import account, acting, clients, disputes, offices, passing, registers, signing_in

HOLDINGS = (
    *signing_in.HOLDINGS, *clients.HOLDINGS, *passing.HOLDINGS, *acting.HOLDINGS, *disputes.HOLDINGS, *registers.HOLDINGS, *offices.HOLDINGS,
    *account.HOLDINGS,
)  # fmt: skip
