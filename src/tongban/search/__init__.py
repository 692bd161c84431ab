"""Search 统一检索、智能搜索 (guide 四.1; R-703): one tantivy index a node over items, questions, general information, pages.

Words by rjieba, sounds by toneless fuzzy-pinyin pairs, everyday words from a dictionary file, aliases of the items.
All terms first, then any; Latin letters go by syllables, then first letters, then by ear. Region and audience filter.
Nouns: `Found`, `Hit`, `Shown`, `Index`.

    found = find(node, "zhuce gongsi", division="500000")
    found.best.shown.title          # 内资公司设立登记
"""

from tongban.search.actions import BELL, covers, rebuild, refresh
from tongban.search.model import Document, Found, Hit, Shown
from tongban.search.queries import Index, find, find_in
from tongban.search.tasks import set_up

__all__ = ["BELL", "Document", "Found", "Hit", "Index", "Shown", "covers", "find", "find_in", "rebuild", "refresh", "set_up"]
