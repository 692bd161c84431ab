"""Looking at the post without touching 节点互联的查询."""
