from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.passwords import has_passed_second_factor
from accounts.roles import is_kept_out_without_second_factor
from core.clock import utc_now
from core.errors import NotFound

from ..auditing.recording import record
from ..exporting.files import MEDIA_TYPES
from ..exporting.links import find_linked_export
from ..models import Export, ExportFormat
from .own_account import staff_signed_in


@require_safe
@never_cache
def show_export_file(request: HttpRequest, token: str) -> FileResponse:
    """Send the file of an export to the staff member who requested it, and to nobody else."""
    try:
        export, path = find_linked_export(token, user=_staff_of(request), now=utc_now())
    except NotFound as error:
        raise Http404(error.detail) from error
    record(
        request,
        action="Downloaded the file",
        model=export._meta.label_lower,
        object_id=export.pk,
        workspace_id=export.workspace_id,
    )
    answer = send_file(export, path)
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Robots-Tag"] = "noindex"
    return answer


def _staff_of(request: HttpRequest) -> User | None:
    """Return the signed-in staff member unless a workspace of theirs, maybe the file's, awaits their second factor."""
    user = staff_signed_in(request)
    if user is None or not (has_passed_second_factor(request) or not is_kept_out_without_second_factor(user)):
        return None
    return user


def send_file(export: Export, path: Path) -> FileResponse:
    """Send the file piece by piece, named after the time it was made."""
    name = f"export-{export.created_at:%Y-%m-%d}.{export.format}"
    media_type = MEDIA_TYPES[ExportFormat(export.format)]
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type=media_type)
