"""What a workspace offers: its programs, and the instances of them that learners enroll in."""

import datetime as dt
import itertools
import re
import unicodedata
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from accounts.models import Workspace
from billing.models import Price
from billing.price_list import find_or_create_price
from core.actors import Actor
from core.database_errors import violates
from core.errors import NotFound, invalid_field
from core.money import Money
from core.numbers import parse_whole_number
from core.rows import lock_rows
from core.text import fit

from .eligibility.criteria import change_criteria
from .errors import ProgramExists
from .models import Program, ProgramInstance
from .refund_rules import set_refund_policy

CODE_PATTERN = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_code = re.compile(CODE_PATTERN)
_listed_code = re.compile(r"[A-Za-z0-9_-]+")
RESERVED_CODES = ("browse", "enrolled")  # URL paths next to those of the courses
PROPOSED_LENGTH = 30


def list_programs(*, workspace_id: int) -> QuerySet[Program]:
    """Return the workspace's programs, newest first."""
    return Program.objects.filter(workspace=workspace_id).order_by("-id")


def get_program(*, workspace_id: int, code: str) -> Program:
    """Return one of them. Raises NotFound."""
    program = list_programs(workspace_id=workspace_id).filter(code=code).first()
    if program is None:
        raise NotFound("There is no program with this code in this workspace.")
    return program


@transaction.atomic
def create_program(
    *,
    workspace_id: int,
    code: str,
    title: str,
    description: str = "",
    active: bool = True,
    listed: bool = False,
    provider: str = "",
    audience: str = "",
) -> Program:
    """Create a program. Raises ProgramExists, and Invalid for a code that does not fit a URL, or the catalog's."""
    if not _code.fullmatch(code):
        raise invalid_field(
            "code", "invalid", "Use letters, digits and . _ - only; a code begins and ends with a letter or digit."
        )
    if listed:
        check_listed_code(code)
    program = Program(
        workspace_id=workspace_id,
        code=code,
        title=title,
        description=description,
        active=active,
        listed=listed,
        provider=provider,
        audience=audience,
    )
    try:
        with transaction.atomic():
            program.save()
    except IntegrityError as error:
        if not violates(error, "program_code_unique"):
            raise
        raise ProgramExists(f"There is a program with the code {code}. Change that program instead.") from error
    return program


def check_listed_code(code: str, *, program_id: int | None = None) -> None:
    """Raise Invalid, naming `code`, unless a program (this one, if it exists) can be in the catalog under it."""
    if not _listed_code.fullmatch(code) or code in RESERVED_CODES:
        raise invalid_field(
            "code",
            "invalid",
            "The code is part of addresses in the catalog: use letters, digits, - and _ only, and neither "
            f"{' nor '.join(RESERVED_CODES)}.",
        )
    if Program.objects.filter(~Q(pk=program_id or 0), code=code, listed=True).exists():
        raise invalid_field("code", "taken", "Another program in the public catalog has this code.")


def propose_code(*, workspace_id: int, title: str) -> str:
    """Return a code for a new program with this title that neither the workspace nor the catalog uses yet."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().upper()
    words = "-".join(re.findall(r"[A-Z0-9]+", plain))[:PROPOSED_LENGTH].strip("-") or "PROGRAM"
    same = Program.objects.filter(Q(workspace=workspace_id) | Q(listed=True), code__startswith=words)
    taken = set(same.values_list("code", flat=True))
    numbered = (words if number == 1 else f"{words}-{number}" for number in itertools.count(1))
    return next(code for code in numbered if code not in taken)


@transaction.atomic
def change_program(*, workspace_id: int, code: str, changes: dict[str, Any]) -> Program:
    """Change the title, the description, or whether the program is active; the code never changes. Raises NotFound, and
    Invalid for switching it off while one of its instances is the default.
    """
    if "active" in changes:
        lock_default(workspace_id)
    program = get_program(workspace_id=workspace_id, code=code)
    if changes.get("active") is False:
        refuse_without_default(program_id=program.pk)
    for field, value in changes.items():
        setattr(program, field, value)
    program.save(update_fields=list(changes) or None)
    return program


def refuse_without_default(*, program_id: int) -> None:
    """Raise Invalid if the workspace's default instance is one of the program that is to be switched off."""
    if ProgramInstance.objects.filter(program=program_id, is_default=True).exists():
        raise invalid_field("active", "default", "One of its instances is the default: make another the default first.")


def list_instances(*, workspace_id: int) -> QuerySet[ProgramInstance]:
    """Return the workspace's program instances with what their representation shows, newest first."""
    found = ProgramInstance.objects.filter(workspace=workspace_id)
    return found.select_related("program", "price", "workspace").order_by("-id")


def get_instance(*, workspace_id: int, cuid: str) -> ProgramInstance:
    """Return one of them. Raises NotFound."""
    instance = list_instances(workspace_id=workspace_id).filter(cuid=cuid).first()
    if instance is None:
        raise NotFound("There is no such program instance in this workspace.")
    return instance


def find_instance_anywhere(reference: str) -> ProgramInstance:
    """Return an instance by CUID or number, for operators, who may access every workspace. Raises NotFound."""
    number = parse_whole_number(reference)
    rows = ProgramInstance.objects.select_related("program", "workspace")
    instance = rows.filter(cuid=reference).first() if number is None else rows.filter(pk=number).first()
    if instance is None:
        raise NotFound(f"There is no program instance {reference}.")
    return instance


@transaction.atomic
def create_instance(
    *, workspace_id: int, program_code: str, facts: dict[str, Any], actor: Actor, now: dt.datetime
) -> ProgramInstance:
    """Create an instance of a program of the workspace.

    `facts` are those of `change_instance`, including the name. Raises Invalid naming the fields as the API spells them.
    """
    program = Program.objects.filter(workspace=workspace_id, code=program_code).first()
    if program is None:
        raise invalid_field("programCode", "not_found", "There is no program with this code in this workspace.")
    instance = ProgramInstance(workspace_id=workspace_id, program=program)
    _tell(instance, facts)
    _save(instance)
    return _completed(instance, facts, actor, now)


@transaction.atomic
def change_instance(
    *, workspace_id: int, cuid: str, changes: dict[str, Any], actor: Actor, now: dt.datetime
) -> ProgramInstance:
    """Change any of `name`, `external_id`, `start_date`, `end_date`, `review_mode`, `capacity`, `active`, `is_default`
    (true only: another instance takes over the default), `criteria` (drafts of all of them), `refund_tiers`, and
    `price_minor`, `currency`, and `tax_rate`, each of which stays if it is left out.

    Raises NotFound, and Invalid naming the fields as the API spells them.
    """
    found = get_instance(workspace_id=workspace_id, cuid=cuid)
    if {"active", "is_default"} & changes.keys():
        lock_default(workspace_id)
    locked = ProgramInstance.objects.select_for_update(of=("self",), no_key=True)
    instance = locked.select_related("program", "price", "workspace").get(pk=found.pk)
    _tell(instance, changes)
    _save(instance)
    return _completed(instance, changes, actor, now)


def _completed(instance: ProgramInstance, facts: dict[str, Any], actor: Actor, now: dt.datetime) -> ProgramInstance:
    """Apply the facts that have use cases of their own to a stored instance, and return it."""
    if facts.get("is_default") and not instance.is_default:
        instance.is_default = make_default(instance_id=instance.pk).is_default
    if "criteria" in facts:
        changed = change_criteria(instance_id=instance.pk, drafts=facts["criteria"], actor=actor, now=now)
        instance.criteria_version = changed.criteria_version
    if "refund_tiers" in facts:
        set_refund_policy(
            program=instance.program,
            instance=instance,
            tiers=facts["refund_tiers"],
            currency=instance.price.currency if instance.price else "",
            actor=actor,
            now=now,
        )
    return instance


def _tell(instance: ProgramInstance, facts: dict[str, Any]) -> None:
    """Set the given facts on an instance, and refuse those that are not allowed."""
    for field in ("name", "external_id", "start_date", "end_date", "review_mode", "capacity", "active"):
        if field in facts:
            setattr(instance, field, facts[field])
    if "external_id" in facts:
        _refuse_taken(instance)
    if instance.start_date and instance.end_date and instance.end_date < instance.start_date:
        raise invalid_field("endDate", "before_start", "The end can't be before the start.")
    if instance.is_default and not instance.active:
        raise invalid_field("active", "default", "Make another instance the default first.")
    if instance.is_default and facts.get("is_default") is False:
        raise invalid_field("isDefault", "default", "Make another instance the default instead.")
    if {"price_minor", "currency", "tax_rate"} & facts.keys():
        instance.price = _price(instance, facts)


def _save(instance: ProgramInstance) -> None:
    try:
        with transaction.atomic():
            instance.save()
    except IntegrityError:
        _refuse_taken(instance)  # by somebody who was faster
        raise


def _refuse_taken(instance: ProgramInstance) -> None:
    """Refuse an external id that another instance of the workspace has."""
    if not instance.external_id:
        return
    others = ProgramInstance.objects.filter(workspace=instance.workspace_id, external_id=instance.external_id)
    if others.exclude(pk=instance.pk).exists():
        raise invalid_field("externalId", "taken", "Another program instance has this external id.")


def _price(instance: ProgramInstance, facts: dict[str, Any]) -> Price | None:
    """Return the price with these facts; the current price supplies what is left out. None for no price."""
    known = instance.price
    amount = facts.get("price_minor", known.amount_minor if known else None)
    currency = facts.get("currency", known.currency if known else None)
    if not amount:
        if amount is None and (facts.get("currency") or facts.get("tax_rate") is not None):
            raise invalid_field("priceMinor", "required", "Give the price too: currency and tax rate are parts of it.")
        return None
    if currency is None:
        raise invalid_field("currency", "required", "Give the currency of the price, as in USD.")
    return find_or_create_price(
        workspace_id=instance.workspace_id,
        money=Money(amount, currency.lower()),
        tax_rate=facts.get("tax_rate", known.tax_rate if known else None),
        name=fit(Price, "name", instance.full_title),
        amount_field="priceMinor",
        currency_field="currency",
    )


def lock_default(workspace_id: int) -> None:
    """Serialize what changes the default instance of a workspace, or whether it is active, before instances are locked.
    Everybody else may refer to the workspace meanwhile.
    """
    lock_rows(Workspace, workspace_id)


@transaction.atomic
def make_default(*, instance_id: int) -> ProgramInstance:
    """Make this instance the default, in which the router enrolls learners whose request names none; the previous
    default no longer is.

    Raises NotFound, and Invalid for an instance that does not accept enrollments.
    """
    found = ProgramInstance.objects.filter(pk=instance_id).values_list("workspace_id", flat=True).first()
    if found is None:
        raise NotFound("There is no such program instance.")
    lock_default(found)
    instance = ProgramInstance.objects.select_related("program").get(pk=instance_id)
    if not (instance.active and instance.program.active):
        raise invalid_field("active", "inactive", "Only an active instance of an active program can be the default.")
    ProgramInstance.objects.filter(workspace=found, is_default=True).update(is_default=False)
    instance.is_default = True
    instance.save(update_fields=["is_default"])
    return instance
