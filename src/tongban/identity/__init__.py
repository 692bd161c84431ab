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

from tongban.identity.actions.acting import freshen, record_act, require_act
from tongban.identity.actions.at_home import HomeSays, Line, Told, ask_home, tell_visited
from tongban.identity.actions.client_logout import leaving_to
from tongban.identity.actions.clients import app_published, app_stopped
from tongban.identity.actions.corrections import on_correction
from tongban.identity.actions.guardians import confirmed
from tongban.identity.actions.home_proof import home_proof, is_home
from tongban.identity.actions.organisations import NewOrganisation, company_registered
from tongban.identity.actions.reasons import reading_reason
from tongban.identity.actions.resolve import Arrival, arrive, resolve
from tongban.identity.actions.set_up import set_up
from tongban.identity.actions.subjects import follow_aliases, follow_subject
from tongban.identity.model import Account, Person, PopulationAttributes, Session, StaffMember, UsedBefore
from tongban.identity.providers.evidence import Carried, EvidenceRoom, use_evidence
from tongban.identity.queries.desk import disputed
from tongban.identity.queries.mandates import Party, family_of, party, told_for, usable
from tongban.identity.queries.offers import offer_items
from tongban.identity.queries.organisations import OrgEntry, org_entry, organisation, registered_names
from tongban.identity.queries.persons import account, accounts, home_of, person, person_by_number
from tongban.identity.queries.register import population_attributes, register_home
from tongban.identity.queries.sessions import visits
from tongban.identity.queries.staff import role_names, staff_member, staff_of_role
from tongban.identity.rules.mandates import Deed, Mandate
from tongban.identity.rules.roles import allowed, require_staff

__all__ = [
    "Account",
    "Arrival",
    "Carried",
    "Deed",
    "EvidenceRoom",
    "HomeSays",
    "Line",
    "Mandate",
    "NewOrganisation",
    "OrgEntry",
    "Party",
    "Person",
    "PopulationAttributes",
    "Session",
    "StaffMember",
    "Told",
    "UsedBefore",
    "account",
    "accounts",
    "allowed",
    "app_published",
    "app_stopped",
    "arrive",
    "ask_home",
    "company_registered",
    "confirmed",
    "disputed",
    "family_of",
    "follow_aliases",
    "follow_subject",
    "freshen",
    "home_of",
    "home_proof",
    "is_home",
    "leaving_to",
    "offer_items",
    "on_correction",
    "org_entry",
    "organisation",
    "party",
    "person",
    "person_by_number",
    "population_attributes",
    "reading_reason",
    "record_act",
    "register_home",
    "registered_names",
    "require_act",
    "require_staff",
    "resolve",
    "role_names",
    "set_up",
    "staff_member",
    "staff_of_role",
    "tell_visited",
    "told_for",
    "usable",
    "use_evidence",
    "visits",
]
