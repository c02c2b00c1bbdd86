"""Breaches of the invariant of sealed secrets."""

from cryptography.fernet import Fernet
from django.conf import settings
from django.db.models import TextField, Value
from django.test import override_settings

from core.sealing import seal
from partners.models import Provider

from .world import World, breaks


@breaks("core.secrets_are_sealed_with_the_newest_key")
def a_secret_whose_key_was_removed(world: World) -> str:
    other = Fernet.generate_key().decode()
    with override_settings(SEALING_KEYS=[other, *settings.SEALING_KEYS]):
        sealed = seal("of another key")
    provider_id = world.training.partner_steps.values_list("provider_id", flat=True).order_by("pk")[0]
    Provider.objects.filter(pk=provider_id).update(api_key=Value(sealed, output_field=TextField()))
    return f"partner {provider_id}"
