"""Signing in and out. The code, its mail and its limits are allauth's; who gets one is `sign_in.py`."""

from allauth.account import views as allauth_views
from allauth.account.forms import RequestLoginCodeForm
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from .sign_in import find_or_open_account


@method_decorator(never_cache, name="dispatch")
class RequestCodeView(allauth_views.RequestLoginCodeView):
    """Ask for a code. The answer is the same for every address, so it tells nobody who has an account."""

    def form_valid(self, form: RequestLoginCodeForm) -> HttpResponse:
        form._user = find_or_open_account(email=form.cleaned_data["email"])
        return super().form_valid(form)
