"""Changing 个人信息权益: ask for a copy, gather it, hand it over."""
