"""Fakturownia's paths, below an account's URL."""

from django.urls import path

from sandbox.fakturownia import api

urlpatterns = [
    path("fakturownia/<slug:slug>/invoices.json", api.endpoint(get=api.list_documents, post=api.create)),
    path("fakturownia/<slug:slug>/invoices/cancel.json", api.endpoint(post=api.cancel)),
    path("fakturownia/<slug:slug>/invoices/<int:ref>.json", api.endpoint(get=api.retrieve)),
    path("fakturownia/<slug:slug>/invoices/<int:ref>.pdf", api.endpoint(get=api.pdf)),
]
