"""Fakturownia's stand-in: it rejects what the real one rejects, numbers in the same way, and keeps its books."""

from typing import Any

import httpx
import pytest

from sandbox.testing import SandboxProcess

VAT: dict[str, Any] = {
    "kind": "vat",
    "number": None,
    "issue_date": "2026-11-28",
    "seller_name": "Akademia",
    "seller_tax_no": "5252445767",
    "buyer_name": "Firma",
    "positions": [{"name": "Algebra", "tax": "23", "total_price_gross": "123,00", "quantity": 1}],
}


def post(http: httpx.Client, *, token: str = "", **changes: Any) -> httpx.Response:
    return http.post("/fakturownia/acme/invoices.json", json={"api_token": token, "invoice": VAT | changes})


class TestADocument:
    def test_is_numbered_within_its_kind_and_month(self, http: httpx.Client) -> None:
        first, second = post(http).json(), post(http).json()
        december = post(http, issue_date="2026-12-01").json()
        correction = post(http, kind="correction", invoice_id=first["id"]).json()

        numbers = [each["number"] for each in (first, second, december, correction)]
        assert numbers == ["1/11/2026", "2/11/2026", "1/12/2026", "K1/11/2026"]
        assert (first["price_gross"], first["price_tax"], first["price_net"]) == ("123.00", "23.00", "100.00")

    def test_is_found_by_its_oid_and_printed(self, http: httpx.Client) -> None:
        made = post(http, oid="ours").json()
        post(http, oid="another")

        found = http.get("/fakturownia/acme/invoices.json", params={"oid": "ours"}).json()
        paper = http.get(f"/fakturownia/acme/invoices/{made['id']}.pdf")

        assert found == [made]
        assert (paper.headers["Content-Type"], paper.content[:5]) == ("application/pdf", b"%PDF-")

    def test_is_canceled(self, http: httpx.Client) -> None:
        made = post(http).json()

        body = {"cancel_invoice_id": made["id"], "cancel_reason": "Wrong buyer"}
        assert http.post("/fakturownia/acme/invoices/cancel.json", json=body).status_code == 200

        assert http.get(f"/fakturownia/acme/invoices/{made['id']}.json").json()["cancelled"] is True

    @pytest.mark.parametrize(
        ("changes", "at_fault"),
        [
            ({"positions": []}, "positions"),
            ({"positions": [{"name": "Algebra"}]}, "positions"),
            ({"positions": [{"name": "Algebra", "tax": "much", "total_price_gross": "1", "quantity": 1}]}, "positions"),
            ({"buyer_name": ""}, "buyer_name"),
            ({"buyer_tax_no": "5252445768"}, "buyer_tax_no"),
            ({"kind": "joke"}, "kind"),
            ({"kind": "correction", "invoice_id": "999"}, "invoice_id"),
        ],
    )
    def test_with_a_fault_is_refused_by_its_field(
        self, sandbox: SandboxProcess, http: httpx.Client, changes: dict[str, Any], at_fault: str
    ) -> None:
        answer = post(http, **changes)

        assert (answer.status_code, answer.json()["code"], list(answer.json()["message"])) == (422, "error", [at_fault])
        assert sandbox.invoicing("acme")["documents"] == []

    def test_with_a_unique_oid_is_made_once(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        post(http, oid="ours", oid_unique="yes")

        assert post(http, oid="ours", oid_unique="yes").status_code == 422
        assert post(http, oid="ours").status_code == 201
        assert len(sandbox.invoicing("acme")["documents"]) == 2


class TestAnAccount:
    def test_takes_its_own_token_alone(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        sandbox.invoicing("acme", api_token="secret")

        assert post(http).status_code == 401
        assert post(http, token="secret").status_code == 201

    def test_lets_the_tax_office_answer(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        sandbox.invoicing("acme", reports=True)
        made = post(http).json()

        sandbox.control("fakturownia/acme/tax-office", {"answer": "send_error"})

        kept = http.get(f"/fakturownia/acme/invoices/{made['id']}.json").json()
        assert (made["gov_status"], kept["gov_status"]) == ("processing", "send_error")
