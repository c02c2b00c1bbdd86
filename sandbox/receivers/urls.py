"""Receivers' paths: the URL that the platform sends to, and the page next to it."""

from django.urls import path

from sandbox.receivers import pages

urlpatterns = [
    path("receivers/<slug:slug>", pages.show, name="receiver"),
    path("receivers/<slug:slug>/change", pages.change, name="receiver-change"),
    path("receivers/<slug:slug>/events", pages.receive),
]
