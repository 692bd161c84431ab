"""Judgements about seals and documents 印章与版式文件的规则: pure, no database, no clock, no network."""
