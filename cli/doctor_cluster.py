"""What `doctor` says about the other machines: Redis, the engines and the workers that are seen there."""

from __future__ import annotations

from cli.doctor_checks import FAIL, OK, WARN, Finding, Patient
from core.i18n import tr

OLDEST = (6, 2)
"""The oldest Redis that has all the commands that are used."""


def check_redis(patient: Patient) -> Finding:
    """The way to other machines: there, recent enough, and not about to throw anything away."""
    url = patient.config.server.redis_url
    if not url:
        celery = patient.config.bot_executor == "celery"
        if celery:
            return Finding(FAIL, tr("cluster.celery_needs_redis"))
        return Finding(OK, tr("cluster.doctor_off"))
    if patient.offline:
        return Finding(WARN, tr("doctor.not_tried"))
    from core.cluster.link import Names, Timings, connect, faults
    from core.cluster.locks import living_workers
    from core.secrets import redactor

    try:
        client = connect(url, Timings())
    except ValueError as error:
        return Finding(FAIL, redactor.mask(str(error)), tr("cluster.doctor_mend"))
    try:
        info = client.info()
        names = Names.of(url)
        engines = sum(1 for _ in client.scan_iter(names.engine("*"), count=1000))
        workers = living_workers(client, names)
    except faults() as error:
        text = tr("cluster.doctor_away", error=redactor.mask(f"{type(error).__name__}: {error}"))
        return Finding(FAIL, text, tr("cluster.doctor_mend"))
    finally:
        client.close()
    return _judge(
        patient, str(info["redis_version"]), str(info.get("maxmemory_policy", "")), engines, workers
    )


def _judge(patient: Patient, version: str, policy: str, engines: int, workers: int) -> Finding:
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return Finding(FAIL, tr("cluster.doctor_old", version=version, wanted=wanted))
    seen = tr("cluster.doctor_ok", version=version, engines=engines, workers=workers)
    if policy.startswith("allkeys"):
        return Finding(WARN, tr("cluster.doctor_evicts", policy=policy), tr("cluster.doctor_evicts_mend"))
    if patient.config.bot_executor == "celery":
        if not workers:
            return Finding(WARN, seen, tr("cluster.no_workers"))
        if not patient.config.storage.url or patient.config.storage.url.startswith("sqlite"):
            return Finding(WARN, f"{seen}\n{tr('cluster.doctor_own_file')}", tr("cluster.doctor_share"))
    return Finding(OK, seen)
