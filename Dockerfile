FROM python:3.13-slim
WORKDIR /app
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
# What the process writes stands under var/, a volume that belongs to it; everything else is read-only to it.
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . && python -m local.translations \
    && useradd --system --uid 10001 app && mkdir -p var && chown app:app var
USER app
VOLUME /app/var
