from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.passwords import is_signed_in_by_password
from core.clock import utc_now
from core.errors import NotFound

from ..exporting.files import MEDIA_TYPES
from ..exporting.links import find_linked_export
from ..models import Export, ExportFormat


@require_safe
@never_cache
def show_export_file(request: HttpRequest, token: str) -> FileResponse:
    """The file of an export that somebody of staff asked for, for them alone."""
    is_staff = isinstance(request.user, User) and request.user.is_staff and is_signed_in_by_password(request)
    user = request.user if is_staff and isinstance(request.user, User) else None
    try:
        export, path = find_linked_export(token, user=user, now=utc_now())
    except NotFound as error:
        raise Http404(error.detail) from error
    answer = send_file(export, path)
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Robots-Tag"] = "noindex"
    return answer


def send_file(export: Export, path: Path) -> FileResponse:
    """The file, read piece by piece, to be saved under a name that tells when it was made."""
    name = f"export-{export.created_at:%Y-%m-%d}.{export.format}"
    media_type = MEDIA_TYPES[ExportFormat(export.format)]
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type=media_type)
