"""印章的页面: the back office of seals (list, application, one seal, use) and the public page that checks a document."""

from tongban import ui
from tongban.seals.pages import applications, check, lists, one, requests

routes = [*lists.routes, *applications.routes, *one.routes, *requests.routes, *check.routes]
ROUTES: list[ui.Route] = [
    ui.Route("/staff/seals", "/staff/seals", who=("staff",)),
    ui.Route("/staff/seals/apply", "/staff/seals/apply", who=("staff",)),
    ui.Route("/staff/seals/applications/{application_id:uuid}", who=("staff",), fixture="an application for a seal"),
    ui.Route("/staff/seals/{seal_id:uuid}", who=("staff",), fixture="a seal"),
    ui.Route("/staff/seals/{seal_id:uuid}/use", who=("staff",), fixture="a seal its reader keeps"),
    ui.Route("/staff/seals/requests/{request_id:uuid}", who=("staff",), fixture="a document put forward to be sealed"),
    ui.Route("/check-seal", "/check-seal"),
]
