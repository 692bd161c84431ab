"""总装: puts the rooms together into a node, and nodes into a nation on one computer.

R-101, R-805. Nouns: the app (one node's HTTP server and its clocks), the demo nation, the tour. Only this room knows
all others; it decides nothing itself.
"""
