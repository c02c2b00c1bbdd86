"""The Kubernetes manifests contain what a cluster requires and what the platform needs, and no more."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from enrollment_project import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS: list[dict[str, Any]] = [
    manifest for path in sorted(FOLDER.glob("*.yaml")) for manifest in yaml.safe_load_all(path.read_text())
]
NAMES = [f"{manifest['kind']} {manifest['metadata']['name']}" for manifest in MANIFESTS]
WORKLOADS = [manifest for manifest in MANIFESTS if manifest["kind"] in ("Deployment", "Job", "CronJob")]
OURS = [manifest for manifest in WORKLOADS if not manifest["metadata"]["name"].startswith("pgbouncer")]
NAMED = set(re.findall(r"^#([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
STARRED = {"PUBLIC_URL", "ALLOWED_HOSTS"}  # required for production to start, but not secrets
SECRETS = {"POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "DATABASE_URL_DIRECT"}


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {manifest["metadata"]["name"]: manifest for manifest in MANIFESTS if manifest["kind"] == kind}


def template(workload: dict[str, Any]) -> dict[str, Any]:
    by_the_clock = workload["spec"].get("jobTemplate", workload)
    found: dict[str, Any] = by_the_clock["spec"]["template"]
    return found


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = template(workload)["spec"]
    return spec


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod(workload)["containers"]
    found: dict[str, Any] = only
    return found


def named(manifest: dict[str, Any]) -> str:
    return str(manifest["metadata"]["name"])


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_a_manifest_is_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)

    assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "enrollment"


def test_a_manifest_with_a_misspelled_field_would_be_refused() -> None:
    broken = of_kind("Deployment")["web"] | {"spce": {}}

    with pytest.raises(kubernetes_validate.ValidationError, match="spce"):
        kubernetes_validate.validate(broken, "1.37", strict=True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=named)
class TestAWorkload:
    def test_may_do_nothing_but_its_work(self, workload: dict[str, Any]) -> None:
        spec, only = pod(workload), container(workload)

        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= only["resources"]["requests"].keys()
        assert "memory" in only["resources"]["limits"]

    def test_is_of_this_version(self, workload: dict[str, Any]) -> None:
        assert container(workload)["image"].rpartition(":")[2] == __version__

    def test_is_found_by_what_selects_it(self, workload: dict[str, Any]) -> None:
        labels = template(workload)["metadata"]["labels"]

        assert workload["spec"].get("selector", {"matchLabels": labels})["matchLabels"] == labels

    def test_keeps_secrets_out_of_its_manifest(self, workload: dict[str, Any]) -> None:
        plain = [variable["name"] for variable in container(workload).get("env", []) if "value" in variable]

        assert set(plain) <= {"DATABASE_POOLED"}


class TestSettings:
    def test_are_those_that_the_platform_reads(self) -> None:
        given = of_kind("ConfigMap")["enrollment-config"]["data"].keys()
        own = {variable["name"] for workload in OURS for variable in container(workload).get("env", [])}

        assert (given | own) - NAMED == set()
        assert given >= STARRED

    def test_of_secrets_are_asked_for_by_name(self) -> None:
        asked = {
            variable["valueFrom"]["secretKeyRef"]["key"]
            for workload in WORKLOADS
            for variable in container(workload).get("env", [])
            if "valueFrom" in variable
        }

        assert asked == SECRETS
        document = (ROOT / "docs" / "deployment.md").read_text()
        assert [name for name in asked if f"`{name}`" not in document] == []


class TestWeb:
    def test_gets_the_time_that_it_takes_to_stop(self) -> None:
        drains = float(of_kind("ConfigMap")["enrollment-config"]["data"]["DRAIN_SECONDS"])
        web = of_kind("Deployment")["web"]
        probe = container(web)["readinessProbe"]
        (kills,) = re.findall(r"GRANIAN_WORKERS_KILL_TIMEOUT=(\d+)", (ROOT / "Dockerfile").read_text())

        assert pod(web)["terminationGracePeriodSeconds"] >= drains + float(kills) + 5
        assert drains > probe["periodSeconds"] * probe["failureThreshold"]

    def test_is_replaced_without_being_fewer(self) -> None:
        strategy = of_kind("Deployment")["web"]["spec"]["strategy"]

        assert strategy == {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}

    def test_is_asked_by_its_probes_at_pages_that_answer_them(self) -> None:
        only = container(of_kind("Deployment")["web"])

        assert only["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert only["readinessProbe"]["httpGet"]["path"] == "/readyz"


class TestABackup:
    def test_is_made_alone_and_gives_up_some_time(self) -> None:
        for job in of_kind("CronJob").values():
            assert job["spec"]["concurrencyPolicy"] == "Forbid"
            assert job["spec"]["timeZone"] == "Etc/UTC"
            assert 0 < job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 24 * 3600

    def test_is_written_where_no_other_process_reads(self) -> None:
        mounting = {
            named(workload): {mount["name"] for mount in container(workload)["volumeMounts"]} for workload in OURS
        }

        assert {name for name, volumes in mounting.items() if "backups" in volumes} == {"backup", "erasures"}
        files = {mount["name"]: mount for mount in container(of_kind("CronJob")["backup"])["volumeMounts"]}["files"]
        assert files["readOnly"] is True

    def test_goes_past_pgbouncer(self) -> None:
        for job in of_kind("CronJob").values():
            given = {variable["name"]: variable for variable in container(job)["env"]}
            assert given["DATABASE_URL"]["valueFrom"]["secretKeyRef"]["key"] == "DATABASE_URL_DIRECT"
            assert given["DATABASE_POOLED"]["value"] == "0"


class TestTogether:
    def test_beat_is_one(self) -> None:
        spec = of_kind("Deployment")["beat"]["spec"]

        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})

    def test_what_is_several_is_never_all_taken_at_once(self) -> None:
        several = {name for name, workload in of_kind("Deployment").items() if workload["spec"]["replicas"] > 1}

        assert of_kind("PodDisruptionBudget").keys() == several

    def test_commands_are_those_of_the_composition(self) -> None:
        services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

        said = {template(workload)["metadata"]["labels"]["app"]: container(workload) for workload in OURS}

        assert said.keys() == {"web", "worker", "worker-prompt", "beat", "migrate", "backup", "erasures"}
        assert {name: only.get("command") for name, only in said.items() if name != "erasures"} == {
            name: services[name].get("command") for name in said if name != "erasures"
        }
        assert " ".join(said["erasures"]["command"]) in (ROOT / "docs" / "deployment.md").read_text()

    def test_whoever_talks_to_others_may(self) -> None:
        world = of_kind("NetworkPolicy")["platform-to-the-world"]["spec"]["podSelector"]["matchExpressions"][0]

        assert set(world["values"]) == {template(workload)["metadata"]["labels"]["app"] for workload in OURS}

    def test_nobody_is_reached_unless_a_policy_says_so(self) -> None:
        nobody = of_kind("NetworkPolicy")["nobody"]["spec"]

        assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
