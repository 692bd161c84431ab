"""Judgements of identity 身份判断: levels, what people type, limits, whose word counts, requests, roles. All pure."""
