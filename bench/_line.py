"""The one line a bench ends with."""


def line(name: str, figure: float, unit: str, ratio: float, limit: str, target: float, *, at_most: bool = False) -> str:
    """`ratio` is figure against a limit measured (or fixed) in the same run; ok when it meets `target`."""
    ok = ratio <= target if at_most else ratio >= target
    return f"bench {name} {figure:.4g} {unit} ratio={ratio:.3g} limit={limit} target={'<=' if at_most else '>='}{target} {'ok' if ok else 'short'}"
