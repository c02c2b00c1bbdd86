from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, as_shown
from billing.models import Invoice, Seller
from billing.states import InvoiceProvider
from billing.tests.factories import PaymentFactory

pytestmark = pytest.mark.django_db

ACCOUNT = "https://school.fakturownia.test"
AT_VENDOR = {"provider": "fakturownia", "base_url": ACCOUNT, "api_token": "secret-1"}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


@pytest.fixture
def seller(workspace: Workspace) -> Seller:
    return Seller.objects.create(workspace=workspace, name="School", **AT_VENDOR)


def page_of(seller: Seller) -> str:
    return reverse("admin:billing_seller_change", args=[seller.pk])


def save(owner: StaffClient, seller: Seller, **typed: str) -> Any:
    """Change what is typed of the page as it is shown; return the answer."""
    shown, _ = as_shown(owner, page_of(seller))
    return owner.post(page_of(seller), {**shown, **typed})


def issued_at_vendor(workspace: Workspace) -> None:
    payment = PaymentFactory(workspace=workspace)
    Invoice.objects.create(
        workspace=workspace, payment=payment, provider="fakturownia", amount_minor=4900, currency="pln", lines=[]
    )


def faults(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


class TestANewSeller:
    def add(self, owner: StaffClient, workspace: Workspace, **typed: str) -> Any:
        sent = {"workspace": workspace.pk, "name": "School", "tax_id": "", "address": "", "footer": "", **typed}
        return owner.post(reverse("admin:billing_seller_add"), sent)

    def test_that_issues_its_invoices_here_needs_no_account(self, owner: StaffClient, workspace: Workspace) -> None:
        assert self.add(owner, workspace, provider="local", base_url="", api_token="").status_code == 302
        assert Seller.objects.get().provider == InvoiceProvider.LOCAL

    def test_that_issues_at_a_vendor_needs_the_account_and_its_token(
        self, owner: StaffClient, workspace: Workspace
    ) -> None:
        answer = self.add(owner, workspace, provider="fakturownia", base_url="", api_token=" ")

        assert faults(answer) == {
            "base_url": ["Enter the address of the account: https://your-account.fakturownia.pl"],
            "api_token": ["Enter the account's API token."],
        }
        assert not Seller.objects.exists()


class TestTheToken:
    def test_is_never_shown(self, owner: StaffClient, seller: Seller) -> None:
        page = owner.get(page_of(seller)).content.decode()

        assert "Leave it empty to keep the stored one." in page
        assert "secret-1" not in page
        assert ACCOUNT in page

    def test_is_kept_where_the_field_is_left_empty(self, owner: StaffClient, seller: Seller) -> None:
        assert save(owner, seller, name="The School", api_token="").status_code == 302

        seller.refresh_from_db()
        assert (seller.name, seller.api_token) == ("The School", "secret-1")

    def test_is_replaced_by_another_one(self, owner: StaffClient, seller: Seller) -> None:
        assert save(owner, seller, api_token=" secret-2 ").status_code == 302

        seller.refresh_from_db()
        assert seller.api_token == "secret-2"


class TestASellerWhoReturnsFromTheVendor:
    HERE = {"provider": "local", "base_url": "", "api_token": ""}

    def test_gives_up_an_account_that_has_no_documents(self, owner: StaffClient, seller: Seller) -> None:
        issued_at_vendor(WorkspaceFactory())

        assert save(owner, seller, **self.HERE).status_code == 302

        seller.refresh_from_db()
        assert (seller.provider, seller.base_url) == ("local", "")

    def test_keeps_the_account_of_documents_that_are_there(self, owner: StaffClient, seller: Seller) -> None:
        issued_at_vendor(seller.workspace)

        answer = save(owner, seller, **self.HERE)

        assert faults(answer) == {
            "base_url": ["Keep the address: what was issued there is corrected and shown from there."]
        }
        assert save(owner, seller, **{**self.HERE, "base_url": ACCOUNT}).status_code == 302
        seller.refresh_from_db()
        assert (seller.provider, seller.base_url, seller.api_token) == ("local", ACCOUNT, "secret-1")


class TestTheAddress:
    def test_without_a_scheme_is_taken_for_https(self, owner: StaffClient, seller: Seller) -> None:
        assert save(owner, seller, base_url="new.fakturownia.test").status_code == 302

        seller.refresh_from_db()
        assert seller.base_url == "https://new.fakturownia.test"

    def test_that_is_never_called_is_refused(self, settings: Any, owner: StaffClient, seller: Seller) -> None:
        settings.SANDBOX = False

        answer = save(owner, seller, base_url="http://school.fakturownia.test")

        assert faults(answer) == {"base_url": ["The address must begin with https and must not contain a user name."]}
        seller.refresh_from_db()
        assert seller.base_url == ACCOUNT
