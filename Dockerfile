FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends tzdata \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

COPY inbox ./inbox
COPY gates ./gates
COPY storage ./storage
COPY bot ./bot
COPY sandbox ./sandbox
# Bytecode belongs into the image: without it a start takes twice as long.
RUN python -m compileall -q inbox gates storage bot sandbox \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin desk \
    && install -d -o desk -g desk -m 0700 /data

# No VOLUME line: Railway refuses to build one. Mount a volume at /data: the default ./data, seen from the root.
# DATA_DIR itself stays unset, so that an image without a token plays the sandbox in a fresh folder, not in the volume.
WORKDIR /
ENV HOST=0.0.0.0 PYTHONPATH=/app
USER desk
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s --retries=3 CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8080), timeout=5); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "bot"]
