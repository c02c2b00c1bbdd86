# One image for web, worker, beat, and commands; compose.yaml shows how they work together.
FROM python:3.11-slim-trixie

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DJANGO_SETTINGS_MODULE=enrollment_project.settings.prod

# pg_dump and pg_restore in the server's version, for backups: Debian 13 has version 17, which refuses a newer server.
# They are not pinned, so that each build gets the updates.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install --yes --no-install-recommends postgresql-client-18 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.lock .
RUN pip install --require-hashes --requirement requirements.lock
COPY . .

# Static files are built into the image. The settings require secrets even for that; these sign and open nothing.
RUN SECRET_KEY=collects-static-files-only_0123456789abcdefghijklmnopqrstuvwxyz ALLOWED_HOSTS=build PUBLIC_URL=https://build DATABASE_URL=sqlite:////tmp/build.sqlite3 \
    CELERY_BROKER_URL=memory:// SEALING_KEYS=YnVpbGRzLXN0YXRpYy1maWxlcy1vbmx5LXNlYWxzLW4= STRIPE_SECRET_KEY=sk_build STRIPE_WEBHOOK_SECRET=whsec_build \
    python manage.py collectstatic --no-input \
    && groupadd --gid 10001 enrollment \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin enrollment \
    && install --directory --owner enrollment --group enrollment /app/var /app/var/files

USER 10001
EXPOSE 8000

# The request looks like the proxy's: a host name we answer to, forwarded from HTTPS.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "\
import os, urllib.request as http; \
host = os.environ['ALLOWED_HOSTS'].split(',')[0]; \
http.urlopen(http.Request('http://127.0.0.1:8000/healthz', headers={'Host': host, 'X-Forwarded-Proto': 'https'}), timeout=2)"]

# One worker per core (GRANIAN_WORKERS=4 on four); each answers one request at a time, which keeps the queue for a hot
# row short. A worker waits for slow request bodies, so put a proxy that buffers them in front (deploy/nginx.conf).
ENV GRANIAN_INTERFACE=wsgi \
    GRANIAN_HOST=0.0.0.0 \
    GRANIAN_PORT=8000 \
    GRANIAN_WORKERS=2 \
    GRANIAN_BLOCKING_THREADS=1 \
    GRANIAN_RESPAWN_FAILED_WORKERS=true \
    GRANIAN_HTTP1_HEADER_READ_TIMEOUT=10000 \
    GRANIAN_WORKERS_KILL_TIMEOUT=20
# When told to stop, it first tells the load balancer and cuts nobody off; this takes DRAIN_SECONDS plus granian's timeout.
CMD ["python", "-m", "enrollment_project.serving"]
