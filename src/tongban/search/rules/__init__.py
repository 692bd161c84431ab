"""Judgements of search 判断: what text becomes, how hits are ordered. Pure functions."""
