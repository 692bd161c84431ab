"""Judgements about credentials 证照的规则: pure, no database, no clock, no network."""
