"""The form of an item 表单: pages of questions, each with its purpose, basis and source."""

from __future__ import annotations

import msgspec

from tongban.catalogue.model.words import FieldKind, PrefillSource


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One option of a choice 选项."""

    value: str
    label: str
    hint: str = ""


class Prefill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an answer may come from 预填来源: `resource` is a register or licence name, `field` its column there."""

    source: PrefillSource
    resource: str = ""
    field: str = ""
    compute: str = ""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of a table field 表格列."""

    name: str
    label: str
    kind: FieldKind = "text"
    required: bool = True
    options: tuple[Choice, ...] = ()
    max_length: int = 100


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question 表单字段. No field without `purpose` and `basis`: T-81, a gate rule."""

    name: str
    label: str
    kind: FieldKind
    purpose: str = ""
    basis: str = ""
    required: bool = True
    required_when: str = ""
    visible_when: str = ""
    valid_when: str = ""
    valid_says: str = ""
    hint: str = ""
    prefill: tuple[Prefill, ...] = ()
    kept: str = "case"
    locked: bool = False
    options: tuple[Choice, ...] = ()
    columns: tuple[Column, ...] = ()
    min_rows: int = 1
    max_rows: int = 50
    min_length: int = 0
    max_length: int = 200
    minimum: str = ""
    maximum: str = ""
    explain: str = ""


class FormStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One page of the form 填写步骤."""

    name: str
    title: str
    fields: tuple[Field, ...]
    lead: str = ""
    visible_when: str = ""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole form 申请表: pages of questions, asked in order."""

    steps: tuple[FormStep, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field of every page, in order."""
        return tuple(field for step in self.steps for field in step.fields)

    def field(self, name: str) -> Field | None:
        """The field called `name`, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def step(self, name: str) -> FormStep | None:
        """The page called `name`, or None."""
        return next((step for step in self.steps if step.name == name), None)
