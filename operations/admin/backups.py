"""The list of backups, for operators. It offers no actions: backups are files stored elsewhere."""

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from unfold.decorators import display

from accounts.roles import Power
from backoffice.scoping import WorkspaceScopedAdmin

from ..models import Backup


@admin.register(Backup)
class BackupAdmin(WorkspaceScopedAdmin):
    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("name", "made_at", "row_count", "file_count", "size")
    list_filter = ("made_at",)
    ordering = ("-made_at", "-pk")
    fields = (("name", "made_at"), ("row_count", "file_count", "size"))

    @display(description="rows", ordering="rows")
    def row_count(self, backup: Backup) -> str:
        return f"{backup.rows:,}"

    @display(description="files", ordering="files")
    def file_count(self, backup: Backup) -> str:
        return f"{backup.files:,}"

    @display(description="size", ordering="size_bytes")
    def size(self, backup: Backup) -> str:
        return filesizeformat(backup.size_bytes)
