"""HTML doors of 数据共享: the person's ledger, the auditor's ledger, the grants."""

from tongban.exchange.pages import data_use, staff

routes = [*data_use.routes, *staff.routes]
