"""Manifests in kubernetes/, against Kubernetes's own schemas and what the image can do."""

import re
import shutil
import subprocess
import tomllib
from typing import Any

import kubernetes_validate
import pytest
import yaml
from conftest import ROOT
from shipping import (
    BASE,
    DOCKERFILE,
    PRODUCTION,
    arguments_of,
    containers_of,
    environment_of,
    parse_stages,
    pod_of,
    read_services,
    render,
    values_of,
)

from sentiment.config import compose
from sentiment.errors import ExitCode

# The first in which a policy for failing pods is stable, and the newest of which there are schemas.
VERSIONS = ("1.31", kubernetes_validate.latest_version())
FOLDERS = pytest.mark.parametrize("folder", [BASE, PRODUCTION], ids=lambda path: path.name)
PROBES = ("startup", "readiness", "liveness")
IMAGE = parse_stages(DOCKERFILE.read_text())[-1]


def find(folder: Any, kind: str, name: str) -> dict[str, Any]:
    (one,) = (m for m in render(folder) if (m["kind"], m["metadata"]["name"]) == (kind, name))
    return one


def check(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.slow
@FOLDERS
@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_follow_the_schemas(folder: Any, version: str) -> None:
    manifests = render(folder)
    ingress = [("Ingress", "serve")] if folder == PRODUCTION else []
    assert sorted((m["kind"], m["metadata"]["name"]) for m in manifests) == [
        ("CronJob", "monitor"),
        ("CronJob", "predict"),
        ("Deployment", "mlflow"),
        ("Deployment", "serve"),
        ("HorizontalPodAutoscaler", "serve"),
        *ingress,
        ("Namespace", "sentiment"),
        ("NetworkPolicy", "mlflow"),
        ("NetworkPolicy", "serve"),
        ("PersistentVolumeClaim", "data"),
        ("PersistentVolumeClaim", "mlflow"),
        ("PodDisruptionBudget", "serve"),
        ("Service", "mlflow"),
        ("Service", "serve"),
    ]
    for manifest in manifests:
        check(manifest, version)


def test_the_schemas_find_what_is_wrong() -> None:
    job = find(BASE, "CronJob", "predict")
    job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["enviroment"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        check(job, VERSIONS[1])
    job = find(BASE, "CronJob", "predict")
    job["spec"]["concurrencyPolicy"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        check(job, VERSIONS[0])


@pytest.mark.process
@FOLDERS
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
def test_kustomize_makes_the_same_of_it(folder: Any) -> None:
    """The renderer of these tests against the real one, where that is to be had."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    key = lambda one: (one["kind"], one["metadata"]["name"])  # noqa: E731
    assert sorted(yaml.safe_load_all(done.stdout), key=key) == sorted(render(folder), key=key)


def test_a_patch_without_its_target_is_found(tmp_path: Any) -> None:
    shutil.copytree(BASE, tmp_path / "base")
    shutil.copytree(PRODUCTION, tmp_path / "overlays" / "production")
    for name, here, there in (
        ("kustomization.yaml", "name: mlflow", "name: mlfow"),
        ("database.yaml", "env/0/name\n", "env/1/name\n"),
    ):
        path = tmp_path / "overlays" / "production" / name
        text = path.read_text()
        assert here in text
        path.write_text(text.replace(here, there))
        with pytest.raises(AssertionError):
            render(path.parent)
        path.write_text(text)


@FOLDERS
def test_pods_may_do_as_little_as_they_can_do_with(folder: Any) -> None:
    ((user,),) = values_of(IMAGE, "USER")
    started = [manifest for manifest in render(folder) if containers_of(manifest)]
    assert len(started) == 4
    for manifest in started:
        pod = pod_of(manifest)
        assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
        assert context["fsGroup"] == context["runAsGroup"]
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in containers_of(manifest):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            # With `command`, the image's entrypoint would not bring the kernels.
            assert "command" not in container


@FOLDERS
def test_all_that_is_written_has_a_place(folder: Any) -> None:
    claims = {m["metadata"]["name"] for m in render(folder) if m["kind"] == "PersistentVolumeClaim"}
    variables = environment_of(IMAGE)
    ((outputs,),) = values_of(IMAGE, "VOLUME")
    for manifest in render(folder):
        volumes = {volume["name"]: volume for volume in pod_of(manifest).get("volumes", [])}
        for container in containers_of(manifest):
            places = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            assert {"/tmp", outputs} <= places.keys()
            assert variables["HOME"] == "/tmp"
            assert set(places.values()) == volumes.keys()
            for name, volume in volumes.items():
                if "persistentVolumeClaim" in volume:
                    assert volume["persistentVolumeClaim"]["claimName"] in claims
                elif "secret" in volume:
                    (mount,) = (m for m in container["volumeMounts"] if m["name"] == name)
                    assert mount["readOnly"]
                else:
                    assert "sizeLimit" in volume["emptyDir"], name


@FOLDERS
def test_the_image_has_the_version_of_the_project(folder: Any) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {container["image"] for m in render(folder) for container in containers_of(m)}
    assert len(images) == 1
    assert re.fullmatch(rf"([\w.]+/)?sentiment:{re.escape(version)}", images.pop())


@FOLDERS
@pytest.mark.parametrize(("name", "last"), [("predict", [2]), ("monitor", [2, 3])])
def test_what_another_try_cannot_mend_is_not_tried_again(
    folder: Any, name: str, last: list[int]
) -> None:
    """Exit code 2 is a mistake and 3 is drift; an eviction is no try at all."""
    cron = find(folder, "CronJob", name)["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    assert cron["timeZone"] == "Etc/UTC"
    job = cron["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    # Retries wait 10 s, 20 s, ... 360 s: an outage of half an hour is survived.
    assert sum(min(10 * 2**n, 360) for n in range(job["backoffLimit"])) >= 30 * 60
    assert not any(ExitCode(code).is_transient for code in last)
    assert pod["restartPolicy"] == "Never"  # Kubernetes takes a policy with no other
    codes, evicted = job["podFailurePolicy"]["rules"]
    (container,) = pod["containers"]
    assert codes["action"] == "FailJob"
    assert codes["onExitCodes"] == {
        "containerName": container["name"],
        "operator": "In",
        "values": last,
    }
    assert evicted["action"] == "Ignore"
    assert evicted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_exit_codes_are_those_of_the_scripts() -> None:
    assert (ExitCode.MISTAKE, ExitCode.DRIFT) == (2, 3)


@FOLDERS
def test_jobs_find_the_server_and_each_others_files(folder: Any) -> None:
    service = find(folder, "Service", "mlflow")["spec"]
    server = find(folder, "Deployment", "mlflow")["spec"]
    (container,) = server["template"]["spec"]["containers"]
    assert service["selector"].items() <= server["template"]["metadata"]["labels"].items()
    assert server["selector"]["matchLabels"] == service["selector"]
    (port,), (opened,) = service["ports"], container["ports"]
    assert port["targetPort"] == opened["name"]
    assert f"--port={opened['containerPort']}" in container["args"]
    address = f"mlflow:{port['port']}"
    assert any(f"{address}," in word for word in container["args"] if "--allowed-hosts" in word)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": opened["name"]}
    policy = find(folder, "NetworkPolicy", "mlflow")["spec"]
    assert policy["podSelector"] == server["selector"]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": opened["name"]}]
    (clients,) = rule["from"][0]["podSelector"]["matchExpressions"]
    jobs = {name: find(folder, "CronJob", name) for name in ("predict", "monitor")}
    serving = find(folder, "Deployment", "serve")
    for job in (*jobs.values(), serving):
        (one,) = containers_of(job)
        spec = job["spec"].get("jobTemplate", job)["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert labels[clients["key"]] in clients["values"]
        assert {"name": "SENTIMENT_TRACKING_URI", "value": f"http://{address}"} in one["env"]
    words = {name: arguments_of(containers_of(job)[0]) for name, job in jobs.items()}
    written = next(word for word in words["predict"] if word.startswith("output="))
    assert f"current={written.removeprefix('output=')}" in words["monitor"]


@FOLDERS
def test_requests_find_a_server_that_is_ready_and_drained_in_time(folder: Any) -> None:
    server = find(folder, "Deployment", "serve")["spec"]
    (container,) = server["template"]["spec"]["containers"]
    labels = server["template"]["metadata"]["labels"]
    words = [word for word in arguments_of(container)[2:] if "tokens" not in word]
    limits = compose("serve", words).server
    (opened,), (port,) = container["ports"], find(folder, "Service", "serve")["spec"]["ports"]
    assert opened["containerPort"] == limits.port
    assert port["targetPort"] == opened["name"]
    assert limits.host == "0.0.0.0"
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in PROBES}
    assert probes == {
        "startup": "/health/ready", "readiness": "/health/ready", "liveness": "/health/live",
    }  # fmt: skip
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    allowed = server["template"]["spec"]["terminationGracePeriodSeconds"]
    assert allowed >= pause + limits.drain + 5
    assert "replicas" not in server, "the autoscaler's number would be set back at each rollout"
    scaler = find(folder, "HorizontalPodAutoscaler", "serve")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "serve"
    budget = find(folder, "PodDisruptionBudget", "serve")["spec"]
    assert scaler["minReplicas"] > budget["maxUnavailable"]
    assert server["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    policy = find(folder, "NetworkPolicy", "serve")["spec"]
    for selector in (
        server["selector"], budget["selector"], policy["podSelector"],
        {"matchLabels": find(folder, "Service", "serve")["spec"]["selector"]},
        *(one["labelSelector"] for one in
          server["template"]["spec"]["topologySpreadConstraints"]),
    ):  # fmt: skip
        assert selector["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    aims = [aim for rule in policy["egress"] for aim in rule.get("to", [])]
    assert aims == [{"podSelector": find(folder, "Deployment", "mlflow")["spec"]["selector"]}]
    names = [
        port["port"] for rule in policy["egress"] if "to" not in rule for port in rule["ports"]
    ]
    assert set(names) == {53}, "what goes anywhere are questions for names"


def test_in_production_requests_need_tokens_and_come_by_tls() -> None:
    server = find(PRODUCTION, "Deployment", "serve")
    (container,) = containers_of(server)
    (file,) = (word for word in container["args"] if word.startswith("server.tokens_file="))
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == "tokens")
    assert file.removeprefix("server.tokens_file=") == f"{mount['mountPath']}/tokens"
    ingress = find(PRODUCTION, "Ingress", "serve")["spec"]
    assert ingress["tls"][0]["hosts"] == [rule["host"] for rule in ingress["rules"]]
    (way,) = ingress["rules"][0]["http"]["paths"]
    service = find(PRODUCTION, "Service", "serve")
    assert way["backend"]["service"]["name"] == service["metadata"]["name"]
    assert way["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]


def test_the_server_is_the_one_of_the_compose_file() -> None:
    (container,) = containers_of(find(BASE, "Deployment", "mlflow"))
    assert container["args"] == read_services()["mlflow"]["command"]


def test_in_production_no_run_is_kept_in_a_file() -> None:
    (container,) = containers_of(find(PRODUCTION, "Deployment", "mlflow"))
    variables = {one["name"]: one for one in container["env"]}
    assert variables["MLFLOW_BACKEND_STORE_URI"] == {
        "name": "MLFLOW_BACKEND_STORE_URI",
        "valueFrom": {"secretKeyRef": {"name": "mlflow-database", "key": "uri"}},
    }
    claim = find(PRODUCTION, "PersistentVolumeClaim", "data")["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"]


def test_only_pods_that_may_do_little_are_admitted() -> None:
    labels = find(BASE, "Namespace", "sentiment")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
