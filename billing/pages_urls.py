from django.urls import path

from . import pages

urlpatterns = [path("my/invoices/<cuid:cuid>.pdf", pages.show_invoice, name="invoice-pdf")]
