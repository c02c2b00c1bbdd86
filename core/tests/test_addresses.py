import pytest
from django.core.exceptions import ValidationError
from django.db import models

from core.addresses import AddressField, AddressFormField, address_fault, canonical_address

NO_ADDRESS = "Enter an email address, such as name@example.org."


class TestTheOneSpelling:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            (" Parent@Home.TEST ", "parent@home.test"),
            ("kid+math@home.test", "kid+math@home.test"),
            ("kid@FUSSBALL.test", "kid@fussball.test"),
            ("kid@fußball.test", "kid@xn--fuball-cta.test"),
            ("kid@FUẞBALL.test", "kid@xn--fuball-cta.test"),
            ("kid@XN--FUBALL-CTA.test", "kid@xn--fuball-cta.test"),
            ("kid@ｈｏｍｅ.test", "kid@home.test"),
            ("kid@home。test", "kid@home.test"),
            ("costa.10@familıes.test", "costa.10@xn--familes-vfb.test"),
            ("ana@bücher.test", "ana@xn--bcher-kva.test"),
            ("ana@bu\u0308cher.test", "ana@xn--bcher-kva.test"),
        ],
    )
    def test_is_what_the_standards_say_reaches_the_same_mailbox(self, typed: str, stored: str) -> None:
        assert canonical_address(typed) == stored
        assert canonical_address(stored) == stored

    @pytest.mark.parametrize("look_alike", ["guardıan", "ſam", "\u212aim", "İan", "stra\u00dfe", "ｇuardian", "JOSÉ"])
    def test_keeps_what_stands_before_the_at_sign_unless_it_is_ascii(self, look_alike: str) -> None:
        assert canonical_address(f"{look_alike}@Demo.test") == f"{look_alike}@demo.test"

    def test_of_two_signs_that_fold_alike_stays_two(self) -> None:
        assert canonical_address("kid@fußball.test") != canonical_address("kid@fussball.test")
        assert canonical_address("guardıan@demo.test") != canonical_address("guardian@demo.test")

    def test_leaves_a_part_of_an_address_to_be_searched_for(self) -> None:
        assert canonical_address(" Guard ") == "Guard"


class TestAFault:
    @pytest.mark.parametrize(
        "text",
        ["", "home.test", "@home.test", "a@", "a b@home.test", "a@home..test", "a@-home.test", "a@b@", "a@home.test."],
    )
    def test_is_named_with_what_to_type_instead(self, text: str) -> None:
        assert address_fault(text) == NO_ADDRESS

    @pytest.mark.parametrize("local", ["guardıan", "\u212aim", "ſam", "josé", "ｇuardian", "a\u200bb"])
    def test_is_what_stands_before_the_at_sign_unless_it_is_ascii(self, local: str) -> None:
        assert address_fault(f"{local}@demo.test") == (
            "Use an address with only plain letters, digits and signs before the @: mail to other addresses is not "
            "delivered."
        )

    @pytest.mark.parametrize("text", ['"ab"@home.test', "a@[127.0.0.1]"])
    def test_is_a_form_nobody_writes(self, text: str) -> None:
        assert "quotation marks or brackets" in address_fault(text)

    def test_is_more_characters_than_a_mailbox_has(self) -> None:
        domain = ".".join(["d" * 60] * 4)

        assert address_fault(f"{'a' * 5}@{domain}.test") == ""
        assert address_fault(f"{'a' * 64}@{domain}.test") == "An email address has at most 254 characters."

    @pytest.mark.parametrize("text", ["kid@fußball.test", "o'brien+x@home.test", "PARENT@HOME.TEST"])
    def test_is_nothing_that_mail_reaches(self, text: str) -> None:
        assert address_fault(text) == ""


class TestTheField:
    def test_of_a_form_gives_the_one_spelling(self) -> None:
        assert AddressFormField().clean(" Kid@Fußball.test") == "kid@xn--fuball-cta.test"

    def test_of_a_form_refuses_what_is_none(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            AddressFormField().clean("guardıan@demo.test")

        assert refusal.value.messages == [address_fault("guardıan@demo.test")]

    def test_of_a_model_looks_up_what_it_stores(self) -> None:
        field: models.Field = AddressField()

        assert field.get_prep_value("Kid@Fußball.test") == "kid@xn--fuball-cta.test"
        assert field.get_prep_value(None) is None
