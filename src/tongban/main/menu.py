"""The back office's menu 后台导航: every entry with the staff actions of which one opens its page; a clerk sees only those."""

from __future__ import annotations

from tongban import ui

STAFF = (
    ui.StaffLink("办件", "/desk", "list"),
    ui.StaffLink("打印取件", "/desk/prints", "print", opens=("credentials.print",)),
    ui.StaffLink("应用", "/staff/apps", "grid", opens=("service_apps.see", "service_apps.register")),
    ui.StaffLink("登录接入", "/staff/clients", "key", opens=("identity.client_see",)),
    ui.StaffLink("差评处置", "/staff/reviews", "star", opens=("feedback.see", "feedback.handle")),
    ui.StaffLink("证照", "/staff/credentials", "id", opens=("credentials.see",)),
    ui.StaffLink("验证照文件", "/staff/licences/check", "scan", opens=("credentials.check_file",)),
    ui.StaffLink("查验方", "/staff/verifiers", "scan", opens=("credentials.verifiers",)),
    ui.StaffLink("印章", "/staff/seals", "shield", opens=("seals.see",)),
    ui.StaffLink("取用审计", "/staff/audit", "eye", opens=("exchange.audit",)),
    ui.StaffLink("查看记录", "/staff/readings", "eye", opens=("identity.audit_see",)),
    ui.StaffLink("存证监看", "/staff/log", "chart", opens=("transparency.see",)),
    ui.StaffLink("归档移交", "/staff/archive", "save", opens=("evidence.archive_see",)),
    ui.StaffLink("到期清理", "/staff/retention", "clock", opens=("privacy.retention_see",)),
    ui.StaffLink("法定保留", "/staff/holds", "lock", opens=("privacy.hold_propose", "privacy.hold_approve")),
    ui.StaffLink("个人信息窗口", "/staff/rights", "user", opens=("privacy.desk_ask",)),
    ui.StaffLink("共享授权", "/staff/sharing", "swap", opens=("exchange.propose", "exchange.approve")),
    ui.StaffLink("待批和通知", "/staff/proposals", "bell"),
    ui.StaffLink("人员", "/staff/people", "user", opens=("identity.staff_see",)),
    ui.StaffLink("紧急访问", "/staff/emergency", "warn"),
    ui.StaffLink("现场核验", "/staff/counter", "shield", opens=("identity.counter_check",)),
    ui.StaffLink("找回和报丢失", "/staff/recovery", "lock", opens=("identity.counter_check", "identity.theft_report")),
    ui.StaffLink("当面办代办", "/staff/mandates", "hand", opens=("identity.hall_mandate",)),
    ui.StaffLink("节点与信件", "/staff/nodes", "nodes", opens=("federation.see",)),
    ui.StaffLink("登录预案", "/staff/login-plan", "warn"),
    ui.StaffLink("清单与代码", "/staff/reference", "book"),
)
CORRECTIONS = ui.StaffLink("登记纠错", "/staff/disputes", "flag", opens=("identity.dispute_decide", "identity.dispute_confirm"))
"""Only where the register is."""
