"""Print docs/operate/settings.md from the code: `python docs/operate/make_settings.py > docs/operate/settings.md`."""

import typing

import msgspec

from tongban.kernel.settings import Settings

print("# Settings of a node 节点配置\n")
print("Made from `src/tongban/kernel/settings.py`; do not edit by hand. A node reads one TOML file; `TONGBAN_<KEY>` in the")
print("environment wins over the file. An unknown key is an error. `deploy/nodes/` holds five examples.\n")
print("| key | meaning | default |\n|---|---|---|")
hints = typing.get_type_hints(Settings, include_extras=True)
for field in msgspec.structs.fields(Settings):
    meta = next(one for one in hints[field.name].__metadata__ if isinstance(one, msgspec.Meta))
    default = "required" if field.required else ("`items/` of the checkout" if field.name == "items_dir" else f"`{field.default!r}`")
    print(f"| `{field.name}` | {meta.description} | {default} |")
