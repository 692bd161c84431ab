"""Rights of the person 个人信息权益: a copy of everything (导出), closing an account (注销), keeping no longer than said (R-409, R-804).

Stands above all rooms and asks each one's holdings 个人信息清单 (`tongban.kernel.holdings`); it knows no table of theirs.
Guide 四 (保障知情权、选择权、隐私权); privacy.md 4 and 7.
"""

from tongban import identity
from tongban.privacy.queries.known import use_holdings

__all__ = ["use_holdings"]

identity.follow_rows("copy_request", "copy_part", "copy_share", "copy_chunk", "closing", "leaving", "legal_hold", "after_me")
identity.follow_rows("desk_right", columns=("subject", "asker_subject"))
identity.follow_rows("copy_request", "closing", "leaving", columns=("guardian_subject",))
