"""Looking at cases without touching them (查办件)."""
