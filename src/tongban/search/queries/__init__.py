"""Looking 查询: the index of this node, and finding in it."""

from tongban.search.queries.find import find, find_in, index_of
from tongban.search.queries.index import SCHEMA_VERSION, Index

__all__ = ["SCHEMA_VERSION", "Index", "find", "find_in", "index_of"]
