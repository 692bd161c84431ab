"""Judgements of the post 节点互联的规则: pure; time, keys and facts are arguments."""
