from django.urls import path

from .views import StatementView

urlpatterns = [path("api/enroll", StatementView.as_view())]
