from django.urls import path

from .actions import ApproveView, EvaluateView, ReconsiderView, RejectView, SubmitView, UnenrollView
from .enrollments import EnrollmentHistoryView, EnrollmentView, InstanceEnrollmentsView
from .evaluation import EvaluateInstanceView, JobView, TryCriteriaView
from .exports import ExportFileView, ExportListView, ExportView
from .imports import ImportFaultsView, ImportInstanceView, ImportView, UndoImportView
from .instances import InstanceListView, InstanceView
from .programs import ProgramListView, ProgramView
from .quotes import ConfirmQuoteView, QuoteListView, QuoteView
from .rosters import RosterView

ENROLLMENT = "enrollments/<cuid:enrollment_id>"
INSTANCE = "programInstances/<cuid:instance_id>"

urlpatterns = [
    path("programs", ProgramListView.as_view(), name="api-programs"),
    path("programs/<str:code>", ProgramView.as_view(), name="api-program"),
    path("programInstances", InstanceListView.as_view(), name="api-program-instances"),
    path(INSTANCE, InstanceView.as_view(), name="api-program-instance"),
    path(f"{INSTANCE}/enrollments", InstanceEnrollmentsView.as_view(), name="api-instance-enrollments"),
    path(f"{INSTANCE}/evaluate", EvaluateInstanceView.as_view(), name="api-instance-evaluate"),
    path(f"{INSTANCE}/criteria/try", TryCriteriaView.as_view(), name="api-instance-criteria-try"),
    path(f"{INSTANCE}/imports", ImportInstanceView.as_view(), name="api-instance-imports"),
    path("cancellationQuotes", QuoteListView.as_view(), name="api-cancellation-quotes"),
    path("cancellationQuotes/<cuid:quote_id>", QuoteView.as_view(), name="api-cancellation-quote"),
    path(
        "cancellationQuotes/<cuid:quote_id>/confirm", ConfirmQuoteView.as_view(), name="api-cancellation-quote-confirm"
    ),
    path("imports", RosterView.as_view(), name="api-imports"),
    path("imports/<cuid:import_id>", ImportView.as_view(), name="api-import"),
    path("imports/<cuid:import_id>/errors", ImportFaultsView.as_view(), name="api-import-errors"),
    path("imports/<cuid:import_id>/undo", UndoImportView.as_view(), name="api-import-undo"),
    path("jobs/<cuid:job_id>", JobView.as_view(), name="api-job"),
    path("exports", ExportListView.as_view(), name="api-exports"),
    path("exports/<cuid:export_id>", ExportView.as_view(), name="api-export"),
    path("exports/<cuid:export_id>/file", ExportFileView.as_view(), name="api-export-file"),
    path(ENROLLMENT, EnrollmentView.as_view(), name="api-program-enrollment"),
    path(f"{ENROLLMENT}/history", EnrollmentHistoryView.as_view(), name="api-enrollment-history"),
    path(f"{ENROLLMENT}/evaluate", EvaluateView.as_view(), name="api-enrollment-evaluate"),
    path(f"{ENROLLMENT}/submit", SubmitView.as_view(), name="api-enrollment-submit"),
    path(f"{ENROLLMENT}/approve", ApproveView.as_view(), name="api-enrollment-approve"),
    path(f"{ENROLLMENT}/reject", RejectView.as_view(), name="api-enrollment-reject"),
    path(f"{ENROLLMENT}/unenroll", UnenrollView.as_view(), name="api-enrollment-unenroll"),
    path(f"{ENROLLMENT}/reconsider", ReconsiderView.as_view(), name="api-enrollment-reconsider"),
]
