"""Run by easyofd's own interpreter (.build/easyofd): what that reader finds in an OFD, as JSON; the drawn page beside it."""

import base64
import json
import sys
from pathlib import Path

from easyofd import OFD

source, drawn = Path(sys.argv[1]), Path(sys.argv[2])
ofd = OFD()
ofd.read(base64.b64encode(source.read_bytes()).decode(), fmt="b64")
document = ofd.data[0]
drawn.write_bytes(ofd.to_pdf())
found = {
    "texts": [one["text"] for page in document["page_info"].values() for one in page["text_list"]],
    "fonts": [one["FontFile"] for one in document["fonts"].values()],
    "seals": [
        {"boundary": one["Boundary"], "signed": len(base64.b64decode(one["SignedValue"]))}
        for page in document["signatures_page_id"].values() for one in page
    ],
}
sys.stderr.write("\nFOUND " + json.dumps(found) + "\n")
