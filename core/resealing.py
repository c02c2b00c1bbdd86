"""Seals stored secrets again with the newest key, so that an old key can be removed from the environment.

Each secret takes one statement that replaces exactly the sealed text that was read. The work can therefore be
interrupted and restarted at any time, and a secret that somebody changes meanwhile keeps its new value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.functions import Cast

from .invariants import Breach, Extent, Invariant
from .sealing import Seal, SealedTextField, reseal, who_sealed


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """One secret as it is stored. `seal` says whether the newest key opens it, an older one, or none."""

    model: type[models.Model]
    column: str
    pk: Any
    sealed: str
    seal: Seal

    @property
    def row(self) -> str:
        return f"{self.model._meta.verbose_name} {self.pk}"


@dataclass(frozen=True, slots=True)
class Resealing:
    """The result of one pass over all secrets. `broken` names the rows with a secret that no key opens."""

    secrets: int
    due: int
    resealed: int
    broken: list[str]


def list_secrets() -> Iterator[SealedSecret]:
    """Yield every sealed secret of every model."""
    for model in apps.get_models():
        if model._meta.proxy:
            continue
        for field in model._meta.local_concrete_fields:
            if isinstance(field, SealedTextField):
                yield from _secrets_in(model, field.attname)


def reseal_secrets(*, dry_run: bool = False) -> Resealing:
    """Seal every secret that an older key has sealed with the newest one; with `dry_run`, only count them."""
    secrets = due = resealed = 0
    broken = []
    for secret in list_secrets():
        secrets += 1
        if secret.seal is Seal.BROKEN:
            broken.append(f"{secret.row}: {secret.column}")
        elif secret.seal is Seal.OLDER:
            due += 1
            resealed += 0 if dry_run else _replace(secret)
    return Resealing(secrets=secrets, due=due, resealed=resealed, broken=broken)


def secrets_are_sealed_with_the_newest_key(extent: Extent) -> Iterator[Breach]:
    """The first of SEALING_KEYS opens every sealed secret. They are examined only when the whole installation is."""
    if extent.workspace_id is not None:
        return
    for secret in list_secrets():
        if secret.seal is Seal.BROKEN:
            yield Breach(secret.row, f"{secret.column} is opened by none of SEALING_KEYS")
        elif secret.seal is Seal.OLDER:
            yield Breach(secret.row, f"{secret.column} is sealed with an older key")


INVARIANTS: tuple[Invariant, ...] = (secrets_are_sealed_with_the_newest_key,)


def _secrets_in(model: type[models.Model], column: str) -> Iterator[SealedSecret]:
    stored = _as_stored(model, column).exclude(as_stored="").order_by("pk")
    for pk, sealed in stored.values_list("pk", "as_stored").iterator():
        yield SealedSecret(model, column, pk, sealed, who_sealed(sealed))


def _replace(secret: SealedSecret) -> int:
    fresh = reseal(secret.sealed)
    same = _as_stored(secret.model, secret.column).filter(pk=secret.pk, as_stored=secret.sealed)
    return same.update(**{secret.column: models.Value(fresh, output_field=models.TextField())})


def _as_stored(model: type[models.Model], column: str) -> models.QuerySet[Any]:
    """Return the rows with the sealed text beside them, which the column itself would open."""
    return model._base_manager.annotate(as_stored=Cast(column, models.TextField()))
