"""办件 (cases): the statutory process of an application, from draft to archive, between nodes (R-601 … R-606; guide 业务办理).

Nouns: **draft** 暂存, **case** 办件 (the owner's row), **mirror** 镜像 (what the applicant's node knows), **clock** 时限, **receipt** 回执.
One table, `process.yaml`, is the whole process: who may make which transition, on what ground, what it does to the clocks,
which letter, log leaf and notice go with it. `actions/step.make` runs it in one transaction. The owner decides; everyone
else asks and mirrors what the owner signed.

    draft = await cases.begin(tx, node, actor, task_code)
    number = await cases.reserve(node)
    done = await cases.submit(tx, node, actor, draft.id, number=number, posted=form.fields)     # Mirror | Refusals
    await cases.review(tx, node, case_id)                                                       # T18, called by feedback
"""

from tongban import credentials, evidence, identity
from tongban.cases.actions import archiving
from tongban.cases.actions.at_home import at_home
from tongban.cases.actions.decide import handed_over, review
from tongban.cases.actions.drafts import begin, follow
from tongban.cases.actions.mirror import rated
from tongban.cases.actions.numbers import reserve
from tongban.cases.actions.submit import submit
from tongban.cases.model import (
    Case,
    Clock,
    Draft,
    HistoryLine,
    HomeCase,
    HomeCases,
    Mirror,
    Receipt,
    Summary,
    Unfinished,
)
from tongban.cases.queries import readings
from tongban.cases.queries.calendar import calendar
from tongban.cases.queries.corrected import used_before
from tongban.cases.queries.mirrors import cases_of, mine, of_person, unfinished
from tongban.cases.queries.needs import licences_needed
from tongban.cases.queries.records import held, on_hold
from tongban.cases.rules.process import PROCESS, Process, Transition

__all__ = [
    "PROCESS",
    "Case",
    "Clock",
    "Draft",
    "HistoryLine",
    "HomeCase",
    "HomeCases",
    "Mirror",
    "Process",
    "Receipt",
    "Summary",
    "Transition",
    "Unfinished",
    "at_home",
    "begin",
    "calendar",
    "cases_of",
    "handed_over",
    "held",
    "mine",
    "of_person",
    "rated",
    "reserve",
    "review",
    "submit",
    "unfinished",
]

# the floors below call these when something of theirs happens to a case or a draft
credentials.on_handed_over(handed_over)
credentials.on_need(licences_needed)
identity.follow_subject(follow)
identity.rows_followed("draft", columns=("subject", "actor_subject"))
identity.follow_rows(
    "case_record", "case_history", "case_clock", "case_material", "case_document", "case_standing", "case_offer", "case_mirror",
    "case_claim", "case_request", "case_opened",
)  # fmt: skip
identity.offer_reason("case", readings.open_case)
identity.offer_cases(readings.subject_of, readings.listed)
identity.on_correction(used_before)
evidence.kept_for(on_hold)
evidence.archives_from(archiving.dossier, archiving.case_of, archiving.forget, archiving.packed)
