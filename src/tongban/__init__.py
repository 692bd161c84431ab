"""tongban 通办: one mobile government-services platform out of many nodes (国办函〔2021〕105号)."""

__version__ = "0.1.0"
