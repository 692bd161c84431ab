"""Verbs that change cases (办件动作), one file a group; `step.make` is the one transaction all transitions go through."""
