"""What the demo contains before anything happens: organizations, staff, programs, districts, and families."""

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import make_password

from accounts.models import Guardian, Membership, User, Workspace
from accounts.states import Role
from billing.models import Price
from core.actors import SYSTEM
from core.clock import utc_now
from core.local_time import local_date
from enrollments.models import District, Program, ProgramInstance, ReviewReason
from enrollments.programs import make_default
from enrollments.seats import create_allocation, update_allocation
from enrollments.states import ReviewMode

PASSWORD = "explore-the-demo"  # noqa: S105  a demo's password is meant to be known
GUARDIAN_EMAIL = "guardian@demo.test"


@dataclass(frozen=True, slots=True)
class Offer:
    """A program and the terms it is offered for, given in weeks from now (start, end)."""

    code: str
    title: str
    description: str
    amount_minor: int
    review: ReviewMode
    terms: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Child:
    first_name: str
    last_name: str
    email: str
    external_id: str
    grade: str
    school: str


@dataclass(frozen=True, slots=True)
class Family:
    """A guardian and their children. The district, if any, is the same for all children."""

    guardian_id: str
    email: str
    tenant_id: int | None
    children: tuple[Child, ...]


# The family of the demo's guardian account.
KNOWN_FAMILY = Family(
    "G-DEMO",
    GUARDIAN_EMAIL,
    103,
    tuple(
        Child(name, "Rivera", GUARDIAN_EMAIL, f"S-DEMO{position}", grade, "Maple Street School")
        for position, (name, grade) in enumerate((("Lucia", "3rd"), ("Tomas", "5th"), ("Elena", "7th")))
    ),
)


@dataclass(frozen=True, slots=True)
class Organization:
    slug: str
    name: str
    currency: str
    timezone: str
    offers: tuple[Offer, ...]
    # name, tenant id, seats for any program (None: none were bought), seats for single programs by code
    districts: tuple[tuple[str, int, int | None, dict[str, int]], ...]
    families: int
    children: tuple[int, ...]  # how many a family has, drawn from these
    grades: tuple[str, ...]
    staff: dict[str, Role]  # the role of each of the demo's people
    known_family: Family | None = None
    has_forms: bool = False  # whether families can apply by themselves
    has_partners: bool = False  # whether partners teach one of its programs
    has_integrators: bool = False  # whether outside programs receive events


_SCHOOL_TERMS = (("first term", -22, -6), ("second term", -5, 12))

ORGANIZATIONS = (
    Organization(
        slug="bright-futures",
        name="Bright Futures Learning",
        currency="usd",
        timezone="America/Chicago",
        offers=(
            Offer(
                "MATH",
                "Math Explorers",
                "Numbers, patterns and puzzles in small groups, twice a week.",
                14900,
                ReviewMode.AUTOMATIC,
                _SCHOOL_TERMS,
            ),
            Offer(
                "CODE",
                "Young Coders",
                "From blocks to Python: a game of one's own by the end of term.",
                18900,
                ReviewMode.AUTOMATIC,
                _SCHOOL_TERMS,
            ),
            Offer(
                "READ",
                "Reading Rocket",
                "One-to-one reading support after a short interview.",
                9900,
                ReviewMode.MANUAL,
                _SCHOOL_TERMS,
            ),
            Offer(
                "SCI",
                "Science Camp",
                "Two weeks of experiments outdoors; places go by application.",
                34900,
                ReviewMode.MANUAL,
                (("open session", -10, 6),),
            ),
        ),
        districts=(
            ("Cedar Valley School District", 101, 24, {"MATH": 8, "CODE": 5}),
            ("Riverside Unified", 102, 25, {"MATH": 10, "READ": 12}),
            ("Oak Park Elementary District", 103, 4, {}),
            ("Northfield Public Schools", 104, 1200, {"SCI": 12}),
            ("Lakeshore Academy Trust", 105, 25, {}),
            ("Pine Ridge Schools", 106, None, {}),
        ),
        families=48,
        children=(1, 1, 2, 2, 3),
        grades=("2nd", "3rd", "4th", "5th", "6th", "7th"),
        staff={
            "reviewer": Role.REVIEWER,
            "owner": Role.OWNER,
            "admin": Role.ADMIN,
            "finance": Role.FINANCE,
            "viewer": Role.VIEWER,
        },
        known_family=KNOWN_FAMILY,
        has_forms=True,
        has_partners=True,
        has_integrators=True,
    ),
    Organization(
        slug="harbor-skills",
        name="Harbor Skills Institute",
        currency="eur",
        timezone="Europe/Lisbon",
        offers=(
            Offer(
                "WEB",
                "Web Development Bootcamp",
                "Twelve weeks to a first job: front end, back end, a portfolio.",
                249000,
                ReviewMode.MANUAL,
                (("cohort 7", -20, -8), ("cohort 8", -7, 5), ("evening group", -12, 12)),
            ),
            Offer(
                "CARE",
                "Healthcare Assistant",
                "State-recognized certificate with a clinical placement.",
                89000,
                ReviewMode.AUTOMATIC,
                (("intake A", -18, -4), ("intake B", -6, 10)),
            ),
        ),
        districts=(
            ("Harbor City Works", 201, 24, {"WEB": 16}),
            ("County Workforce Board", 202, 15, {"CARE": 18}),
        ),
        families=48,
        children=(1,),
        grades=("",),
        staff={"admin": Role.OWNER, "owner": Role.VIEWER},
    ),
)

# The one district whose seats are switched off.
_INACTIVE_TENANT = 105

_FIRST_NAMES = """
    Amara Liam Sofia Noah Mei Oliver Zara Ethan Priya Lucas Aisha Mateo Hana Elijah Leila Daniel Chloe Omar Ines Samuel
    Nora Kofi Emma Ravi Ana Jonas Yara Theo Maya Isaac Freya Diego Salma Felix Rosa Idris Greta Marco Tala Hugo
"""
_LAST_NAMES = """
    Okafor Nguyen Garcia Johansson Patel Kowalski Haddad Brown Silva Tanaka Murphy Rossi Ahmed Fischer Moreau Kim
    Andersen Mbeki Lopez Novak Schmidt Hughes Farah Petrov Costa Walker Ibrahim Larsen Mehta Dubois Reyes Bianchi
"""
_SCHOOLS = ("Maple Street School", "Hillside Elementary", "Lincoln Middle School", "St. Brigid's", "Westbrook Academy")


@dataclass(slots=True)
class Scene:
    """One organization with everything the stories need to know about it."""

    organization: Organization
    workspace: Workspace
    staff: User
    instances: list[ProgramInstance] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)


REASONS_TO_REJECT = (
    "All places of this term are taken. We would be glad to see your application for the next one.",
    "The program is for other grades. Write to us, and we will find one that fits.",
    "The report card that came with the application can't be read. Please apply again with another copy.",
)


def find_or_build_staff() -> dict[str, User]:
    """Return one account per role, and one platform operator: the same people in every organization."""
    people = {
        "owner": ("Olivia", "Owens", False),
        "admin": ("Adam", "Adler", False),
        "reviewer": ("Rita", "Reyes", False),
        "finance": ("Fiona", "Falk", False),
        "viewer": ("Victor", "Vance", False),
        "operator": ("Opal", "Osborne", True),
    }
    known = {user.email: user for user in User.objects.filter(email__endswith="@demo.test", is_staff=True)}
    password = make_password(PASSWORD)  # hashed once for all: hashing is slow on purpose
    return {
        name: known.get(f"{name}@demo.test")
        or User.objects.create(
            email=f"{name}@demo.test",
            password=password,
            first_name=first,
            last_name=last,
            is_staff=True,
            is_superuser=everything,
        )
        for name, (first, last, everything) in people.items()
    }


def build_scene(
    organization: Organization, staff: dict[str, User], *, now: dt.datetime, chance: random.Random
) -> Scene:
    """Build the workspace with its members, programs, seats, and families; the first staff member decides."""
    workspace = Workspace.objects.create(slug=organization.slug, name=organization.name, timezone=organization.timezone)
    for name, role in organization.staff.items():
        Membership.objects.create(workspace=workspace, user=staff[name], role=role)
    scene = Scene(organization, workspace, staff[next(iter(organization.staff))])
    today = local_date(now, organization.timezone)
    for offer in organization.offers:
        scene.instances += _build_program(workspace, organization, offer, today)
    make_default(instance_id=next(one.pk for one in scene.instances if one.end_date and one.end_date > today))
    _build_districts(scene)
    for position, text in enumerate(REASONS_TO_REJECT):
        ReviewReason.objects.create(workspace=workspace, text=text, position=position)
    scene.families = _build_families(organization, chance)
    if organization.known_family is not None:
        scene.families[0] = organization.known_family
    Guardian.objects.bulk_create(_guardian_of(workspace, family, chance) for family in scene.families)
    return scene


def _build_program(
    workspace: Workspace, organization: Organization, offer: Offer, today: dt.date
) -> list[ProgramInstance]:
    program = Program.objects.create(
        workspace=workspace, code=offer.code, title=offer.title, description=offer.description
    )
    price = Price.objects.create(
        workspace=workspace, name=offer.title, amount_minor=offer.amount_minor, currency=organization.currency
    )
    return [
        ProgramInstance.objects.create(
            workspace=workspace,
            program=program,
            name=f"{offer.title}, {term}",
            start_date=today + dt.timedelta(weeks=start),
            end_date=today + dt.timedelta(weeks=end),
            review_mode=offer.review,
            price=price,
        )
        for term, start, end in offer.terms
    ]


def _build_districts(scene: Scene) -> None:
    now = utc_now()
    for name, tenant_id, general, by_program in scene.organization.districts:
        known: dict[str, Any] = {"workspace_id": scene.workspace.pk, "tenant_id": tenant_id, "name": name}
        if general is None:
            District.objects.create(**known)
            continue
        allocation = create_allocation(total_seats=general, now=now, **known)
        if tenant_id == _INACTIVE_TENANT:
            update_allocation(allocation_id=allocation.pk, is_active=False, actor=SYSTEM, now=now)
        for code, seats in by_program.items():
            for instance in scene.instances:
                if instance.program.code == code:
                    create_allocation(total_seats=seats, instance_id=instance.pk, now=now, **known)


def _build_families(organization: Organization, chance: random.Random) -> list[Family]:
    tenants = [tenant_id for _, tenant_id, _, _ in organization.districts]
    families = []
    for number in range(organization.families):
        last_name = chance.choice(_LAST_NAMES.split())
        email = f"{last_name.lower()}.{number}@families.test"
        first_names = chance.sample(_FIRST_NAMES.split(), chance.choice(organization.children))
        children = tuple(
            Child(
                first_name=first_name,
                last_name=last_name,
                email=email,
                external_id=f"S-{organization.slug[:1].upper()}{number:03d}{position}",
                grade=chance.choice(organization.grades),
                school=chance.choice(_SCHOOLS) if organization.grades != ("",) else "",
            )
            for position, first_name in enumerate(first_names)
        )
        tenant_id = chance.choice([*tenants, None]) if chance.random() < 0.75 else None
        families.append(Family(f"G-{1000 + number}", email, tenant_id, children))
    return families


def _guardian_of(workspace: Workspace, family: Family, chance: random.Random) -> Guardian:
    first_name = "Gloria" if family is KNOWN_FAMILY else chance.choice(_FIRST_NAMES.split())
    return Guardian(
        workspace=workspace,
        external_id=family.guardian_id,
        email=family.email,
        first_name=first_name,
        last_name=family.children[0].last_name,
    )
