"""Verbs of identity 身份动作: one file a matter; none commits, none calls another node inside a transaction."""
