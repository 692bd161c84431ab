"""Identity 统一身份认证: who asks, how sure we are, and how that travels between nodes.

Guide: 公共支撑层 · 统一身份认证. Requirements R-301 … R-306, R-602. Design: identity.md.

Nouns: `Person`, `Account`, `Session`, `Authenticator`, `StaffMember`, `PopulationAttributes`. Rooms are those of house.md 4;
`tokens.py` is one more (identity.md 14 names it): the only place that touches JOSE.

Example::

    actor = await identity.resolve(node, cookies, path="/me")
    actor.require(level=2)
    person = await identity.person(tx, node, actor.subject)
"""

from __future__ import annotations

from tongban.identity.actions.acting import Child, child_of, freshen, record_act, require_act
from tongban.identity.actions.at_home import HomeSays, Line, Told, ask_home, tell_visited
from tongban.identity.actions.client_logout import leaving_to
from tongban.identity.actions.clients import app_published, app_stopped
from tongban.identity.actions.closing import (
    ClosedAccount,
    Ties,
    came_back,
    clients_told,
    close_account,
    end_visit,
    forget_home,
    revive_account,
    staff_too,
    stop_account,
    ties,
    was_home,
)
from tongban.identity.actions.confirming import confirmed
from tongban.identity.actions.corrections import on_correction
from tongban.identity.actions.disputes import Claim, open_dispute
from tongban.identity.actions.emergency import names as emergency_naming
from tongban.identity.actions.emergency import offer_cases
from tongban.identity.actions.following import follow_rows, follow_subject, rows_followed, rows_stay
from tongban.identity.actions.following import listed as followed
from tongban.identity.actions.guardians import guards_alone
from tongban.identity.actions.home_proof import home_proof, is_home
from tongban.identity.actions.intents import pressed_before, step_up_for
from tongban.identity.actions.joining import Newcomer, first_administrator
from tongban.identity.actions.keys import rotate as rotate_keys
from tongban.identity.actions.ledger import propose_deletion
from tongban.identity.actions.notices import tell_holders
from tongban.identity.actions.organisations import NewOrganisation, company_registered
from tongban.identity.actions.proposals import approve, carries_out, propose
from tongban.identity.actions.reasons import (
    ReasonKind,
    find_at_counter,
    find_reason,
    note_reading,
    offer_reason,
    open_visit,
    present,
    reading_reason,
    receive,
    visit_now,
)
from tongban.identity.actions.resolve import Arrival, arrive, resolve
from tongban.identity.actions.set_up import set_up
from tongban.identity.actions.subjects import follow_aliases
from tongban.identity.actions.texting import text_account
from tongban.identity.model import (
    Account,
    Person,
    PopulationAttributes,
    Proposal,
    Session,
    StaffMember,
    UsedBefore,
    Visit,
)
from tongban.identity.providers.evidence import Carried, EvidenceRoom, use_evidence
from tongban.identity.queries.desk import disputed, disputed_of
from tongban.identity.queries.mandates import Party, family_of, handed_in, party, told_for, usable
from tongban.identity.queries.offers import offer_items
from tongban.identity.queries.organisations import OrgEntry, org_entry, organisation, registered_names
from tongban.identity.queries.persons import (
    account,
    accounts,
    accounts_by_number,
    home_of,
    person,
    person_by_number,
    recovered_until,
)
from tongban.identity.queries.proposals import proposal
from tongban.identity.queries.register import population_attributes, populations, register_home
from tongban.identity.queries.sessions import visits
from tongban.identity.queries.staff import role_names, staff_member, staff_of_role
from tongban.identity.queries.working_days import working_days
from tongban.identity.rules.disputes import due as working_day_after
from tongban.identity.rules.home import REGISTER_NODE
from tongban.identity.rules.mandates import Deed, Mandate
from tongban.identity.rules.roles import allowed, require_staff, scopes

__all__ = [
    "REGISTER_NODE",
    "Account",
    "Arrival",
    "Carried",
    "Child",
    "Claim",
    "ClosedAccount",
    "Deed",
    "EvidenceRoom",
    "HomeSays",
    "Line",
    "Mandate",
    "NewOrganisation",
    "Newcomer",
    "OrgEntry",
    "Party",
    "Person",
    "PopulationAttributes",
    "Proposal",
    "ReasonKind",
    "Session",
    "StaffMember",
    "Ties",
    "Told",
    "UsedBefore",
    "Visit",
    "account",
    "accounts",
    "accounts_by_number",
    "allowed",
    "app_published",
    "app_stopped",
    "approve",
    "arrive",
    "ask_home",
    "came_back",
    "carries_out",
    "child_of",
    "clients_told",
    "close_account",
    "company_registered",
    "confirmed",
    "disputed",
    "disputed_of",
    "emergency_naming",
    "end_visit",
    "family_of",
    "find_at_counter",
    "find_reason",
    "first_administrator",
    "follow_aliases",
    "follow_rows",
    "follow_subject",
    "followed",
    "forget_home",
    "freshen",
    "guards_alone",
    "handed_in",
    "home_of",
    "home_proof",
    "is_home",
    "leaving_to",
    "note_reading",
    "offer_cases",
    "offer_items",
    "offer_reason",
    "on_correction",
    "open_dispute",
    "open_visit",
    "org_entry",
    "organisation",
    "party",
    "person",
    "person_by_number",
    "population_attributes",
    "populations",
    "present",
    "pressed_before",
    "proposal",
    "propose",
    "propose_deletion",
    "reading_reason",
    "receive",
    "record_act",
    "recovered_until",
    "register_home",
    "registered_names",
    "require_act",
    "require_staff",
    "resolve",
    "revive_account",
    "role_names",
    "rotate_keys",
    "rows_followed",
    "rows_stay",
    "scopes",
    "set_up",
    "staff_member",
    "staff_of_role",
    "staff_too",
    "step_up_for",
    "stop_account",
    "tell_holders",
    "tell_visited",
    "text_account",
    "ties",
    "told_for",
    "usable",
    "use_evidence",
    "visit_now",
    "visits",
    "was_home",
    "working_day_after",
    "working_days",
]
