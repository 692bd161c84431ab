"""Verbs of the post 节点互联的动作: what changes something here or leaves this node."""
