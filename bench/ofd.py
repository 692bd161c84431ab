"""Documents: building an OFD with its font subset and sealing it, per core, with the time stamp as the node does it.

Every document has words of its own, so every font subset is a new one; outlines of characters seen before stay in memory, as in a
node that has issued a few hundred. CPU seconds are counted, so what else the machine does does not. The limit is the 150
documents a second that issue 4 asks of a core; beside it stand verifying, the same with a PDF, and the bare SM2 signature.
"""

import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from _line import line

from tongban.kernel.gm import FileKeyStore, x509
from tongban.seals.model import Anchors, Box, Document, Line, Page, Placement, Text
from tongban.seals.rules import p256, paper, picture, ses, signing, stamp, verify, writer

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
COUNT, PDFS, ASKED = 200, 20, 150
WORDS = "成都市重庆演示科技有限公司软件开发信息技术咨询服务数据处理经营范围法定代表人注册资本壹佰万元整住所大道号年月日依法须批准项目部门后方可展活动陈林张王李赵周吴郑冯孙钱朱马胡郭何高罗"
PLACE = Placement(0, 140, 235)


def document(at: int) -> Document:
    """A licence-shaped page with eight rows of words nobody had before."""
    chance = random.Random(at)
    rows = [Text(70, 80 + 12 * row, "".join(chance.sample(WORDS, 16))) for row in range(8)]
    labels = [Text(25, 80 + 12 * row, word) for row, word in enumerate(("名称", "类型", "住所", "法定代表人", "注册资本", "成立日期", "经营范围", "登记机关"))]
    marks = (Box(10, 10, 190, 277, fill="#fffdf5"), Text(105, 50, "营业执照（演示）", 12, align="center"), Line(20, 60, 190, 60), *labels, *rows)
    stamps = (Text(105, 230, "演示 不作凭证", 14, color="#e6dcc4", align="center"),)
    return Document(f"{at:032x}", "营业执照（演示）", "演示市场监督管理局", AT, (Page((*marks, Text(25, 280, f"1.2.156.3005.2.{at:09d}", 2.7, font="sans")), stamps),))


def spent(count: int, one) -> tuple[float, list]:
    """How many a CPU second, and what came out."""
    started = time.process_time()
    made = [one(at) for at in range(count)]
    return count / (time.process_time() - started), made


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        keys = FileKeyStore(Path(folder), "510000")
        begin, end = AT - timedelta(days=1), AT + timedelta(days=300)
        root = x509.make_root(keys.signer("root"), common_name="root", organisation="x", at=begin)
        maker, certificate = (
            x509.make_leaf(x509.read(root), keys.signer("root"), public=keys.signer(name).public, common_name=name, organisation="x", use="sign", at=begin)
            for name in ("maker", "seal")
        )
        print_png = picture.draw("演示市场监督管理局", middle="演示", foot="审批专用章")
        seal = ses.make(
            es_id="510000-bench", name="演示市场监督管理局审批专用章", seal_type=99, certificate=certificate, at=AT, valid_from=begin, valid_until=end,
            picture=print_png, size_mm=40, maker=maker, maker_key=keys.signer("maker"),
        )  # fmt: skip
        root_key, key, clock_key = (p256.P256Key(bytes([one]) * 32) for one in range(3))
        pdf_root = p256.make_root(root_key, common_name="root", organisation="x", at=begin)
        leaf, ticking = (
            p256.make_leaf(pdf_root, root_key, public=one.public, common_name="x", organisation="x", use=use, begins=begin, ends=end, es_id=number)
            for one, use, number in ((key, "seal", "510000-bench"), (clock_key, "stamp", ""))
        )
        clock = stamp.Clock(clock_key, ticking)
        means = paper.Means("演示市场监督管理局审批专用章", key, leaf, pdf_root, print_png, clock)
        signer = keys.signer("seal")

        def sealed(at: int) -> bytes:
            package = writer.build_ofd(document(at))
            return signing.sign_package(package, seal=seal, certificate=certificate, key=signer, at=AT, placement=PLACE, clock=clock)

        for at in range(COUNT, COUNT + 60):  # outlines of the characters come into memory
            sealed(at)
        rate, made = spent(COUNT, sealed)
        trusted = Anchors((root,), pdf_makers=(pdf_root,))
        checks, verdicts = spent(COUNT, lambda at: verify.verify_ofd(made[at], trusted))
        assert all(one.ok for one in verdicts), verdicts[0]
        papers, _ = spent(PDFS, lambda at: paper.sign_pdf(paper.build_pdf(document(at)), means, purpose="决定", at=AT, placement=PLACE))
        bare, _ = spent(COUNT, lambda _: signer.sign(b"x" * 64))
        print(f"a core: OFD built and sealed {rate:.0f}/s, verified {checks:.0f}/s, PDF built and sealed {papers:.0f}/s, bare SM2 signature {bare:.0f}/s")
        print(line("ofd", rate, "documents/s a core", rate / ASKED, f"asked-{ASKED}/s", 1.0))


main()
