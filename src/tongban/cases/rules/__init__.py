"""Judgements about cases (办件规则), pure: the table, what may happen, clocks, the calendar."""
