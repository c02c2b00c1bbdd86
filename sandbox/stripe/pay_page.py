"""The hosted payment page. No money moves; its buttons choose what would have happened."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.utils.encoding import iri_to_uri

from sandbox.stripe import payments
from sandbox.stripe.checkout import expire_due_sessions, find_session
from sandbox.stripe.errors import StripeError
from sandbox.stripe.models import CheckoutSession
from sandbox.stripe.money import format_amount
from sandbox.stripe.payments import CARDS, NotPayable

View = Callable[..., HttpResponse]
DECLINED = "The card was declined. Nothing was charged; you can try again."


def _page(method: str) -> Callable[[View], View]:
    """Allow only `method`, and show a page instead of a traceback for a session that does not exist."""

    def wrap(view: View) -> View:
        def checked(request: HttpRequest, ref: str) -> HttpResponse:
            if request.method != method:
                return HttpResponseNotAllowed([method])
            try:
                return view(request, ref)
            except StripeError as error:
                return render(request, "sandbox/message.html", {"message": error.message}, status=error.status)

        return checked

    return wrap


@_page("GET")
def show(request: HttpRequest, ref: str) -> HttpResponse:
    expire_due_sessions()
    return _show(request, ref)


@_page("POST")
def pay(request: HttpRequest, ref: str) -> HttpResponse:
    card = request.POST.get("card", "ok")
    email = request.POST.get("email", "").strip()
    if card not in CARDS:
        return _show(request, ref, notice=f"card must be one of {', '.join(CARDS)}.", status=400)
    if "\x00" in email or len(email) > 500 or (email and "@" not in email):
        return _show(request, ref, notice="email must be an email address.", status=400)
    name, tax_id = (request.POST.get(each, "").strip() for each in ("name", "tax_id"))
    if "\x00" in name + tax_id or len(name) > 200 or len(tax_id) > 50:
        return _show(request, ref, notice="name has at most 200 characters, tax_id at most 50.", status=400)
    try:
        outcome = payments.pay_session(ref=ref, email=email, card=card, company=(name, tax_id))
    except NotPayable:
        return _show(request, ref, notice="Nothing was charged.", status=409)
    if outcome == "declined":
        return _show(request, ref, notice=DECLINED, status=402)
    return _see_other(_success_url(find_session(ref)))


@_page("POST")
def cancel(request: HttpRequest, ref: str) -> HttpResponse:
    session = find_session(ref)
    if session.cancel_url is None:
        return _show(request, ref, notice="This session has no cancel_url to go back to.", status=400)
    return _see_other(session.cancel_url)


@_page("POST")
def settle(request: HttpRequest, ref: str) -> HttpResponse:
    outcome = request.POST.get("outcome", "")
    if outcome not in {"succeeded", "failed"}:
        return _show(request, ref, notice="outcome must be succeeded or failed.", status=400)
    try:
        payments.settle_session(ref=ref, succeeded=outcome == "succeeded")
    except NotPayable as error:
        return _show(request, ref, notice=str(error), status=409)
    return _show(request, ref, notice=f"The bank debit {outcome}.")


def _show(request: HttpRequest, ref: str, *, notice: str = "", status: int = 200) -> HttpResponse:
    session = find_session(ref)
    intent = session.payment_intent
    context = {
        "session": session,
        "items": [
            {"name": item.price.product.name, "quantity": item.quantity, "amount": _amount(item.amount, session)}
            for item in session.line_items.select_related("price__product").order_by("pk")
        ],
        "amount": _amount(session.amount_total, session),
        "path": f"/c/pay/{session.ref}",
        "success_url": _success_url(session),
        "debit_under_way": intent is not None and intent.status == "processing",
        "notice": notice,
    }
    return render(request, "sandbox/pay.html", context, status=status)


def _amount(amount: int, session: CheckoutSession) -> str:
    return format_amount(amount, session.currency)


def _success_url(session: CheckoutSession) -> str:
    return session.success_url.replace("{CHECKOUT_SESSION_ID}", session.ref)


def _see_other(url: str) -> HttpResponse:
    # Not HttpResponseRedirect, which sends 302: a POST must be followed by a GET.
    return HttpResponse(status=303, headers={"Location": iri_to_uri(url)})
