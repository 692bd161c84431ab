"""HTML doors of 数据共享: the person's ledger, the auditor's ledger, the catalogue, demands, grants, corrections, logs."""

from tongban.exchange.pages import catalogue, complaints, data_use, demands, lists, log, staff

routes = [*data_use.routes, *staff.routes, *catalogue.routes, *demands.routes, *lists.routes, *log.routes, *complaints.routes]
