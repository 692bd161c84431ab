"""Nouns of 个人信息权益."""
