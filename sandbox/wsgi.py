"""The sandbox as a WSGI application, together with the thread that delivers its webhooks."""

import os
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"
application = get_wsgi_application()

from sandbox import background  # noqa: E402  (models can be imported only once Django is set up)

background.start()
sys.stdout.write(f"Sandbox ready at {settings.PUBLIC_URL}\n")
sys.stdout.flush()
