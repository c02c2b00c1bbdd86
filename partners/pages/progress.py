"""The progress of a family's learners with their partners."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import User
from core.clock import utc_now
from core.http.zones import zone_of

from ..progress import list_progress


@require_safe
@for_families
def show_my_progress(request: HttpRequest, user: User) -> HttpResponse:
    context = {"learners": list_progress(user=user), "email": user.email, "zone": zone_of(request), "now": utc_now()}
    return render(request, "partners/progress.html", context)
