import os

from django.core.wsgi import get_wsgi_application

from core.http.charset import Utf8Request
from core.memory import keep_for_good
from core.tracing import send_traces

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "enrollment_project.settings.prod")
application = get_wsgi_application()
application.request_class = Utf8Request
keep_for_good()
send_traces("web")
