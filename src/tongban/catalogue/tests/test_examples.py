"""Every example of every item is run: the clerk's examples are tests."""

from pathlib import Path

import pytest

from tongban.catalogue.model import Definition, Example
from tongban.catalogue.queries import basics_in, load_folder
from tongban.catalogue.rules import check, findings, materials_needed, visible

ITEMS = Path(__file__).resolve().parents[4] / "items"
DEFINITIONS = load_folder(ITEMS)
EXAMPLES = [(one, example) for one in DEFINITIONS for example in one.examples]


@pytest.mark.parametrize(("definition", "example"), EXAMPLES, ids=[f"{d.item.name}-{e.name}" for d, e in EXAMPLES])
def test_example_says_what_the_clerk_wrote(definition: Definition, example: Example) -> None:
    form = definition.item.form
    found = check(form, example.given, step=example.step or None, today=example.today)
    said = {refusal.field: refusal.sentence for refusal in found}
    assert set(said) == set(example.refused), said
    for field, words in example.refused.items():
        assert words in said[field]
    shown = visible(form, example.given, example.today)
    assert set(example.visible) <= shown
    assert not set(example.hidden) & shown
    if example.materials is not None:
        asked = [one.material.name for one in materials_needed(definition.item, example.given, example.today)]
        assert asked == list(example.materials)


def test_eight_items_are_whole() -> None:
    basics = basics_in(ITEMS)
    assert len(DEFINITIONS) == 8
    for one in DEFINITIONS:
        grave = [f for f in findings(one, basics[one.item.catalog_code]) if f.severity == "error"]
        assert grave == []
        assert len(one.item.task_code) == 31
        assert one.item.organisation.demo
        assert "演示" in one.item.organisation.name
