from django.urls import path

from . import pages

urlpatterns = [
    path("my/invoices/<cuid:cuid>.pdf", pages.show_invoice, name="invoice-pdf"),
    path("invoices/<str:token>", pages.show_linked_invoice, name="invoice-link"),
]
