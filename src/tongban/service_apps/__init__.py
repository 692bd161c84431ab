"""应用管理 (service_apps): register → check → review → publish per channel → withdraw, measured all the way (R-601, R-602, R-604, R-605).

Nouns: **service app** 应用, **transition** 一步流转, **rule** 接入规范的一条, **finding** 检查结果, **figure** 运行数字. The life cycle is a
table (life_cycle.toml) and every step a history row and a log leaf. The machine gate runs the access standard (gate.toml):
each rule has an id, a severity and a fix; an app that does not pass cannot be published. Four eyes: who submits does not
review, and what is approved is pinned by its digest. Publishing publishes the app's items and tells every node.

    app = await service_apps.register(tx, node, actor, Draft(name="企业开办", …))
    app = await service_apps.check(node, actor, app.id)              # fetches the app's own pages over HTTP
    app = await service_apps.review(tx, node, reviewer, app.id, agree=True, reason="…", digest=app.digest)
    app = await service_apps.publish(tx, node, reviewer, app.id, channels=("h5", "pc"))
"""

from tongban.service_apps.actions import (
    check,
    draft,
    edit,
    publish,
    register,
    resume,
    review,
    suspend,
    withdraw,
)
from tongban.service_apps.actions.count import count
from tongban.service_apps.model import (
    Draft,
    Figures,
    Finding,
    GateReport,
    PublishedApp,
    ServiceApp,
    ServiceLevel,
)
from tongban.service_apps.queries import app, app_of_item, apps, carried, figures, published_apps

__all__ = [
    "Draft",
    "Figures",
    "Finding",
    "GateReport",
    "PublishedApp",
    "ServiceApp",
    "ServiceLevel",
    "app",
    "app_of_item",
    "apps",
    "carried",
    "check",
    "count",
    "draft",
    "edit",
    "figures",
    "publish",
    "published_apps",
    "register",
    "resume",
    "review",
    "suspend",
    "withdraw",
]
