from django.urls import path

from .views import NaiveEnrollView

urlpatterns = [path("api/enroll", NaiveEnrollView.as_view())]
