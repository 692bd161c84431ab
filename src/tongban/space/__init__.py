"""用户专属服务空间 space (guide 服务提供层; R-105, R-106, R-701, R-707): the entrance, one's own page, the place, all services.

Nouns: `Home` 首页, `Mine` 我的, `Todo` 等你处理的一件, `Display` 显示习惯. Space owns almost nothing: it gathers from the rooms
below through their front doors and says what is missing when one of them cannot answer.

    todos = await queries.todos(node, actor)          # what waits for this person, the nearest deadline first
    space.place_name("500103")                        # "渝中区", for the frame of every page
"""

from tongban import identity
from tongban.space.actions import follow, remember_display
from tongban.space.model import Display, Todo
from tongban.space.queries.places import load_places, place_name, set_up

identity.follow_subject(follow)
identity.rows_followed("display_preference")

__all__ = ["Display", "Todo", "load_places", "place_name", "remember_display", "set_up"]
