"""Objects as Stripe shows them.

Fields follow the types of stripe-python 16 (API version 2026-10-28.endive).
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings

from sandbox.stripe.models import (
    INQUIRIES,
    BalanceTransaction,
    Charge,
    CheckoutSession,
    Dispute,
    Event,
    LineItem,
    PaymentIntent,
    Payout,
    Price,
    Product,
    Refund,
    StripeObject,
)
from sandbox.stripe.movements import fields_of_movement, fields_of_payout, moved_by, transaction_ref

Body = dict[str, Any]


def render(thing: StripeObject | LineItem) -> Body:
    return RENDERERS[type(thing)](thing)


def render_list(bodies: list[Body], *, url: str, has_more: bool = False) -> Body:
    return {"object": "list", "url": url, "has_more": has_more, "data": bodies}


def session_url(session: CheckoutSession) -> str:
    return f"{settings.PUBLIC_URL}/c/pay/{session.ref}"


def render_line_items(session: CheckoutSession) -> Body:
    items = session.line_items.select_related("price__product").order_by("pk")
    return render_list([render(item) for item in items], url=f"/v1/checkout/sessions/{session.ref}/line_items")


def render_refunds(charge: Charge) -> Body:
    return render_list(
        [render(refund) for refund in charge.refund_set.order_by("-pk")], url=f"/v1/charges/{charge.ref}/refunds"
    )


def _common(thing: StripeObject) -> Body:
    return {
        "id": thing.ref,
        "object": thing.OBJECT,
        "created": thing.created,
        "livemode": False,
        "metadata": thing.metadata,
    }


def _product(product: Product) -> Body:
    return _common(product) | {
        "active": product.active,
        "default_price": None,
        "description": product.description,
        "images": product.images,
        "marketing_features": [],
        "name": product.name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": product.created,
        "url": None,
    }


def _price(price: Price) -> Body:
    return _common(price) | {
        "active": price.active,
        "billing_scheme": "per_unit",
        "currency": price.currency,
        "custom_unit_amount": None,
        "lookup_key": price.lookup_key,
        "nickname": price.nickname,
        "product": price.product.ref,
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": price.unit_amount,
        "unit_amount_decimal": str(price.unit_amount),
    }


def _line_item(item: LineItem) -> Body:
    return {
        "id": item.ref,
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": item.amount,
        "amount_tax": 0,
        "amount_total": item.amount,
        "currency": item.price.currency,
        "description": item.price.product.name,
        "metadata": {},
        "price": _price(item.price),
        "quantity": item.quantity,
    }


def _session(session: CheckoutSession) -> Body:
    return _common(session) | {
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": session.amount_total,
        "amount_total": session.amount_total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference_id,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "currency": session.currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": None,
        "customer_creation": session.customer_creation,
        "customer_details": _customer_details(session),
        "customer_email": session.customer_email,
        "discounts": [],
        "expires_at": session.expires_at,
        "invoice": None,
        "invoice_creation": {"enabled": False},
        "locale": session.locale,
        "mode": "payment",
        "origin_context": None,
        "payment_intent": _payment_intent_of(session),
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": session.payment_method_types,
        "payment_status": session.payment_status,
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": session.status,
        "submit_type": session.submit_type,
        "subscription": None,
        "success_url": session.success_url,
        "tax_id_collection": session.tax_id_collection or {"enabled": False},
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": session_url(session) if session.status == "open" else None,
        "wallet_options": None,
    }


def _payment_intent_of(session: CheckoutSession) -> str | None:
    if session.status != "complete" or session.payment_intent is None:
        return None
    return session.payment_intent.ref


def _customer_details(session: CheckoutSession) -> Body | None:
    email = session.payer_email or session.customer_email
    if email is None:
        return None
    unasked = dict.fromkeys(("address", "business_name", "individual_name", "phone"))
    number = session.payer_tax_id
    tax_ids = [{"type": "eu_vat" if number[:2].isalpha() else "us_ein", "value": number}] if number else []
    return {
        "email": email,
        "name": session.payer_name or None,
        "tax_exempt": "none",
        "tax_ids": tax_ids if session.tax_id_collection.get("enabled") else None,
        **unasked,
    }


def _payment_intent(intent: PaymentIntent) -> Body:
    charge = intent.latest_charge
    failed = charge is not None and charge.status == "failed"
    return _common(intent) | {
        "amount": intent.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount if intent.status == "succeeded" else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent.ref}_secret_sandbox",
        "confirmation_method": "automatic",
        "currency": intent.currency,
        "customer": None,
        "description": intent.description,
        "last_payment_error": _payment_error(charge) if charge and failed else None,
        "latest_charge": charge.ref if charge else None,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None if failed or charge is None else f"pm_1{intent.ref[4:]}",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": [intent.payment_method_type],
        "processing": None,
        "receipt_email": intent.receipt_email,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": intent.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def _payment_error(charge: Charge) -> Body:
    card = charge.failure_code == "card_declined"
    return {
        "charge": charge.ref,
        "code": charge.failure_code,
        **({"decline_code": "generic_decline"} if card else {}),
        "message": charge.failure_message,
        "type": "card_error" if card else "invalid_request_error",
    }


def _charge(charge: Charge) -> Body:
    intent = charge.payment_intent
    failed = charge.status == "failed"
    card = {"brand": "visa", "last4": "0002" if failed else "4242", "country": "US", "funding": "credit"}
    method = intent.payment_method_type
    details = {"type": method, method: card if method == "card" else {"last4": "6789", "country": "US"}}
    return _common(charge) | {
        "amount": charge.amount,
        "amount_captured": charge.amount if charge.status == "succeeded" else 0,
        "amount_refunded": charge.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": transaction_ref(charge) if charge.status == "succeeded" else None,
        "billing_details": {"address": None, "email": charge.email, "name": None, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "SANDBOX",
        "captured": charge.status == "succeeded",
        "currency": charge.currency,
        "customer": None,
        "description": intent.description,
        "disputed": charge.disputed,
        "failure_balance_transaction": None,
        "failure_code": charge.failure_code,
        "failure_message": charge.failure_message,
        "fraud_details": {},
        "on_behalf_of": None,
        "outcome": _outcome(charge),
        "paid": charge.status == "succeeded",
        "payment_intent": intent.ref,
        "payment_method": f"pm_1{intent.ref[4:]}",
        "payment_method_details": details,
        "receipt_email": intent.receipt_email,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": charge.amount_refunded == charge.amount,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": charge.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def _outcome(charge: Charge) -> Body:
    failed = charge.status == "failed"
    return {
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": "generic_decline" if failed else None,
        "risk_level": "normal",
        "seller_message": "The payment was refused." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _refund(refund: Refund) -> Body:
    body = _common(refund) | {
        "amount": refund.amount,
        "balance_transaction": None if refund.status == "failed" else transaction_ref(refund),
        "charge": refund.charge.ref,
        "currency": refund.charge.currency,
        "destination_details": None,
        "payment_intent": refund.charge.payment_intent.ref,
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": refund.status,
        "transfer_reversal": None,
    }
    del body["livemode"]  # a refund has none
    if refund.failure_reason:
        body["failure_reason"] = refund.failure_reason
    if refund.status == "pending":
        body["pending_reason"] = "processing"
    return body


def _dispute(dispute: Dispute) -> Body:
    charge = dispute.charge
    open_ = dispute.status in ("needs_response", "warning_needs_response")
    return _common(dispute) | {
        "amount": dispute.amount,
        "balance_transactions": moved_by(dispute),
        "charge": dispute.charge.ref,
        "currency": dispute.charge.currency,
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": dispute.created + 7 * 86_400 if open_ else None,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": dispute.status in INQUIRIES and charge.amount_refunded < charge.amount,
        "payment_intent": dispute.charge.payment_intent.ref,
        "reason": dispute.reason,
        "status": dispute.status,
    }


def _balance_transaction(moved: BalanceTransaction) -> Body:
    body = _common(moved) | fields_of_movement(moved)
    del body["livemode"], body["metadata"]  # it has neither
    return body


def _payout(payout: Payout) -> Body:
    return _common(payout) | fields_of_payout(payout)


def _event(event: Event) -> Body:
    body = _common(event) | {
        "api_version": settings.STRIPE_API_VERSION,
        "data": {"object": event.snapshot},
        "pending_webhooks": event.delivery_set.filter(state__in=["pending", "held"]).count(),
        "request": {"id": event.request_ref, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }
    del body["metadata"]  # nor has an event this
    return body


RENDERERS: dict[type, Callable[[Any], Body]] = {
    Product: _product,
    Price: _price,
    LineItem: _line_item,
    CheckoutSession: _session,
    PaymentIntent: _payment_intent,
    Charge: _charge,
    Refund: _refund,
    Dispute: _dispute,
    Payout: _payout,
    BalanceTransaction: _balance_transaction,
    Event: _event,
}
